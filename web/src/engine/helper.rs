//! A helper: this program in a worker beside the engine, which does parts of its work (`web/helper.js` starts it).

use js_sys::SharedArrayBuffer;
use shared::team::Helper;
use wasm_bindgen::JsCast;

use super::{get, place::Place, scope};

/// The name of a worker that helps.
pub const NAME: &str = "helper";

/// Helps until the engine ends this worker.
pub fn run() {
    let memory: Option<SharedArrayBuffer> = get(&scope(), "memory").and_then(|memory| memory.dyn_into().ok());
    let (Some(memory), Some(mut helper)) = (memory, Helper::new()) else { return };
    let place = Place::of(&memory);
    let (mut number, mut inputs, mut kept) = (0, Vec::new(), Vec::new());
    place.ready();
    loop {
        number = place.listen(number);
        let Some(task) = place.task(&mut inputs) else { continue };
        while let Some(part) = place.take(number, task.parts()) {
            place.kept(&task, part, &mut kept);
            // The engine waits in vain, and then does it all itself.
            let Some(numbers) = helper.part(&task, &inputs, part, &kept) else { return };
            place.hand_in(&task, part, numbers);
        }
    }
}
