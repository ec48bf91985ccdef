// Starts the app: the names of its files carry their content's hash, so the build writes them into the tag.

// Keeping the page for use without its server comes last: nobody waits for it.
document.addEventListener("settled", async () => {
  if (!("serviceWorker" in navigator)) return;
  const { start } = await import("./offline.js");
  start().catch((error) => console.info(`The page is not kept for use without its server: ${error}`));
}, { once: true });

const { js, wasm } = document.querySelector("script[data-js]").dataset;
try {
  // The heading first: neither fetching nor compiling should hold it up. A page that nobody looks at draws no frames.
  if (!document.hidden) await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  const bytes = fetch(wasm);
  const { default: init } = await import(js);
  await init({ module_or_path: bytes });
} catch (error) {
  const starting = document.getElementById("starting");
  if (starting) {
    starting.setAttribute("role", "alert");
    starting.textContent = `The page could not start: ${error}. It needs a browser with WebAssembly.`;
  }
  throw error;
}
