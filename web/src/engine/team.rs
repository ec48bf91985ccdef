//! Workers that help the engine on the CPU, one for each other core. They share no memory with it but one place
//! (`place`), which browsers give to isolated pages only; on others, and where a worker does not start, the engine does all
//! by itself.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use js_sys::{Object, Reflect, SharedArrayBuffer};
use shared::team::{Task, Team};
use wasm_bindgen::JsValue;
use web_sys::{Worker, WorkerOptions, WorkerType};

use super::{fetch, helper, now, place::Place, scope, sleep};

const SCRIPT: &str = "helper.js";
/// More threads than this gain little: what is between the products is done by one.
const MOST: usize = 8;
/// Milliseconds without any progress of theirs after which the engine does without helpers.
const PATIENCE: f64 = 5_000.0;
/// Milliseconds in which helpers should have started.
const START: f64 = 3_000.0;

/// The helpers; dropping it ends them.
pub struct Helpers {
    place: Place,
    workers: RefCell<Vec<Worker>>,
    /// Bytes of weights that are kept.
    kept: Cell<usize>,
    /// The number of the last task.
    number: Cell<i32>,
}

impl Helpers {
    /// Starts helpers for a model whose file has so many bytes; nothing if there is no other core, or no memory to share.
    pub fn start(model: u64) -> Option<Rc<Self>> {
        let cores = scope().navigator().hardware_concurrency() as usize;
        if cores < 2 {
            return None;
        }
        let memory = Place::memory(u32::try_from(model).ok()?)?;
        // Those that can be made.
        let workers = (1..cores.min(MOST)).map_while(|_| worker(&memory).ok()).collect();
        let (kept, number) = (Cell::default(), Cell::default());
        Some(Rc::new(Self { place: Place::of(&memory), workers: RefCell::new(workers), kept, number }))
    }

    /// Waits a little for those that still start; how many there are.
    pub async fn count(&self) -> usize {
        let (all, start) = (self.workers.borrow().len(), now());
        while self.place.are_ready() < all && now() - start < START {
            sleep(10).await;
        }
        // None if they were ended meanwhile.
        self.place.are_ready().min(self.workers.borrow().len())
    }

    /// Bytes of weights that lie in the memory beside the engine's own.
    pub fn bytes(&self) -> u64 {
        self.kept.get() as u64
    }

    fn end(&self) {
        for worker in self.workers.take() {
            worker.terminate();
        }
    }
}

fn worker(memory: &SharedArrayBuffer) -> Result<Worker, JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    options.set_name(helper::NAME);
    let script =
        fetch::resolve(&String::from(scope().location().href()), SCRIPT).map_err(|_| JsValue::NULL)?;
    let worker = Worker::new_with_options(&script, &options)?;
    let start = Object::new();
    Reflect::set(&start, &"program".into(), &wasm_bindgen::module())?;
    Reflect::set(&start, &"memory".into(), memory)?;
    worker.post_message(&start)?;
    Ok(worker)
}

impl Drop for Helpers {
    fn drop(&mut self) {
        self.end();
    }
}

impl Team for Helpers {
    fn keep(&self, blocks: &[u8]) -> Option<usize> {
        let at = self.kept.get();
        let kept = self.place.keep(at, blocks);
        self.kept.set(at + if kept { blocks.len() } else { 0 });
        kept.then_some(at)
    }

    fn share(
        &self,
        task: &Task,
        inputs: &[u32],
        own: &mut dyn FnMut(usize),
        theirs: &mut dyn FnMut(usize, &[f32]),
    ) -> bool {
        if self.workers.borrow().is_empty() || self.place.are_ready() == 0 {
            return false;
        }
        let Some(number) = self.place.tell(self.number.get(), task, inputs) else { return false };
        self.number.set(number);
        let mut others: Vec<usize> = Vec::new();
        let mut next = 0;
        while let Some(part) = self.place.take(number, task.parts()) {
            own(part);
            // Parts are taken in order: those between were taken by others.
            others.extend(next..part);
            next = part + 1;
        }
        others.extend(next..task.parts());
        if !self.place.wait(others.len(), PATIENCE) {
            // They may still write there, so nothing of it is read, now or later.
            self.end();
            others.into_iter().for_each(own);
            return true;
        }
        let mut numbers = Vec::new();
        for part in others {
            self.place.results(task, part, &mut numbers);
            theirs(part, &numbers);
        }
        true
    }
}
