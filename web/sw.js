// Keeps the page on the visitor's device, so that it works without its server. The build writes the list of its files, each
// with the sum of its content. Another list is another version: it is fetched in the background and waits until the visitor
// wants it. Nothing but these files is touched; the base model has a place of its own.
const FILES = {};

const PREFIX = "llamarec-page-";

/** A name for exactly these files. */
async function version() {
  const text = new TextEncoder().encode(JSON.stringify(FILES));
  const sum = await crypto.subtle.digest("SHA-256", text);
  return PREFIX + hexadecimal(sum).slice(0, 16);
}

const hexadecimal = (sum) => [...new Uint8Array(sum)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Servers may answer a folder's file by its own name with a redirection. */
const address = (path) => (path === "index.html" ? "./" : path);

async function keep() {
  // A page that nobody listed is not kept, and does not say so.
  if (Object.keys(FILES).length === 0) throw new Error("the build listed no files");
  const name = await version();
  try {
    const cache = await caches.open(name);
    await Promise.all(Object.entries(FILES).map(([path, sum]) => fetchWhole(cache, path, sum)));
  } catch (error) {
    // Half a version is none.
    await caches.delete(name);
    throw error;
  }
}

/** Puts a file into the cache. While a server is given a new version, it may answer with files of either. */
async function fetchWhole(cache, path, sum) {
  const answer = await fetch(new Request(address(path), { cache: "no-cache" }));
  if (!answer.ok) throw new Error(`${path}: status ${answer.status}`);
  const found = await crypto.subtle.digest("SHA-256", await answer.clone().arrayBuffer());
  if (hexadecimal(found) !== sum) throw new Error(`${path} is of another version`);
  await cache.put(address(path), answer);
}

async function forgetOthers() {
  const own = await version();
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== own);
  await Promise.all(names.map((name) => caches.delete(name)));
}

/** A page or a worker isolated from other origins: browsers share memory between the threads of such pages only, and a host of
 * plain files does not say so. What they load is handed on as it is. */
function isolated(answer, { destination }) {
  // A redirection that the browser follows itself has no status.
  if (!["document", "worker"].includes(destination) || answer.status === 0) return answer;
  const headers = new Headers(answer.headers);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-embedder-policy", "require-corp");
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}

async function answer(request, path) {
  const cache = await caches.open(await version());
  const kept = await cache.match(address(path), { ignoreVary: true });
  // A browser that needs room may have dropped it.
  return isolated(kept ?? (await fetch(request)), request);
}

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const scope = self.registration.scope;
  if (method !== "GET" || !url.startsWith(scope)) return;
  const path = url.split(/[?#]/)[0].slice(scope.length) || "index.html";
  if (Object.hasOwn(FILES, path)) event.respondWith(answer(event.request, path));
});
