// Keeps the page for use without its server, and says when the server has a newer one. Where the browser refuses (a private
// window, an address that is not secure), the page works as before.
const worker = navigator.serviceWorker;

/** Offers the version that waits; only the visitor decides when it takes over. */
function offer(registration) {
  const waiting = registration.waiting;
  // The first version does not wait for anybody.
  if (!waiting || !worker.controller) return;
  const bar = document.getElementById("update");
  bar.hidden = false;
  bar.querySelector("button").onclick = () => {
    worker.addEventListener("controllerchange", () => location.reload(), { once: true });
    waiting.postMessage("take over");
  };
}

export async function start() {
  const registration = await worker.register("sw.js");
  offer(registration);
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", () => offer(registration));
  });
  await worker.ready;
  document.documentElement.dataset.offline = "ready";
}
