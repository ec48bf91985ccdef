// A helper of the engine on the CPU (web/src/engine/helper.rs): the same program in a worker of its own, which works on what
// lies in the memory that all of them see.
import init from "./engine.js";

addEventListener("message", ({ data: { program, memory } }) => {
  self.memory = memory;
  // It computes until the engine ends it, so this never settles.
  init({ module_or_path: program });
}, { once: true });
