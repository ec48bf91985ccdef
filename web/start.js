// Starts the app: the names of its files carry their content's hash, so the build writes them into the tag.
const { js, wasm } = document.querySelector("script[data-js]").dataset;
try {
  const { default: init } = await import(js);
  await init({ module_or_path: wasm });
} catch (error) {
  const starting = document.getElementById("starting");
  if (starting) {
    starting.setAttribute("role", "alert");
    starting.textContent = `The page could not start: ${error}. It needs a browser with WebAssembly.`;
  }
  throw error;
}
// Afterwards, as nothing on the screen needs it.
if ("serviceWorker" in navigator) {
  const { start } = await import("./offline.js");
  start().catch((error) => console.info(`The page is not kept for use without its server: ${error}`));
}
