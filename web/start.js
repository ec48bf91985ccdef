// Starts the app: the names of its files carry their content's hash, so the build writes them into the tag.

// Keeping the page for use without its server comes last: nobody waits for it.
document.addEventListener("settled", async () => {
  if (!("serviceWorker" in navigator)) return;
  const { start } = await import("./offline.js");
  start().catch((error) => console.info(`The page is not kept for use without its server: ${error}`));
}, { once: true });

// A server that does not know what wasm is sends it as something else, which is not compiled while it comes.
async function compiled(fetched) {
  const response = await fetched;
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const isWasm = response.headers.get("Content-Type")?.startsWith("application/wasm");
  return isWasm ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

const { js, wasm } = document.querySelector("script[data-js]").dataset;
try {
  // The heading first: neither fetching nor compiling should hold it up. A page that nobody looks at draws no frames.
  if (!document.hidden) await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  const [{ default: init }, module_or_path] = await Promise.all([import(js), compiled(fetch(wasm))]);
  // Compiled and brought to life in two tasks: the browser may paint in between.
  await new Promise((later) => setTimeout(later));
  await init({ module_or_path });
} catch (error) {
  const starting = document.getElementById("starting");
  if (starting) {
    starting.setAttribute("role", "alert");
    starting.textContent = `The page could not start: ${error}. It needs a browser with WebAssembly.`;
  }
  throw error;
}
