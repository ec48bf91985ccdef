//! The memory that the engine and its helpers all see: what is to be computed, and who does what.
//!
//! A task is told by its number. The engine first closes the count of parts, so that nothing of the last task can be taken any
//! more, writes inputs and task, and opens the count under the new number; all take parts from it. The next task is told only
//! when every part of this one is done. Whoever takes a part has therefore read inputs and task of its number, however late.

use js_sys::{
    Array, Atomics, Float32Array, Function, Int32Array, Reflect, SharedArrayBuffer, Uint8Array, Uint32Array,
};
use shared::team::Task;
use wasm_bindgen::{JsCast, JsValue};

use super::{get, scope};

/// Words that say who does what, and where they lie.
const CONTROL: u32 = 64;
/// The number of the task; helpers sleep until it changes.
const NUMBER: u32 = 0;
/// The next part, behind the number of the task ([`PARTS`]).
const NEXT: u32 = 1;
/// Parts that helpers have done; the engine sleeps until it changes.
const DONE: u32 = 2;
/// Helpers that listen.
const READY: u32 = 3;
/// The task in words.
const TASK: u32 = 16;

/// Words for the inputs and for the results of a task; larger ones are done alone.
const INPUTS: u32 = 1 << 21;
const RESULTS: u32 = 1 << 22;
/// More parts than a task may have.
const PARTS: i32 = 1 << 12;
/// Numbers of tasks repeat after so many.
const NUMBERS: i32 = 1 << 18;

/// Views of the memory.
pub struct Place {
    control: Int32Array,
    results: Float32Array,
    inputs: Uint32Array,
    weights: Uint8Array,
}

impl Place {
    /// Memory with room for so many bytes of weights; nothing if the browser gives none: it does so to isolated pages only.
    pub fn memory(weights: u32) -> Option<SharedArrayBuffer> {
        let bytes = (4 * (CONTROL + RESULTS + INPUTS)).checked_add(weights)?;
        // By name: `SharedArrayBuffer::new` would end the program where there is none, or no room.
        let class: Function = get(&scope(), "SharedArrayBuffer")?.dyn_into().ok()?;
        Reflect::construct(&class, &Array::of1(&bytes.into())).ok()?.dyn_into().ok()
    }

    /// The views of such memory.
    pub fn of(memory: &SharedArrayBuffer) -> Self {
        let memory: &JsValue = memory.as_ref();
        let (results, inputs) = (4 * CONTROL, 4 * (CONTROL + RESULTS));
        Self {
            control: Int32Array::new_with_byte_offset_and_length(memory, 0, CONTROL),
            results: Float32Array::new_with_byte_offset_and_length(memory, results, RESULTS),
            inputs: Uint32Array::new_with_byte_offset_and_length(memory, inputs, INPUTS),
            weights: Uint8Array::new_with_byte_offset(memory, inputs + 4 * INPUTS),
        }
    }

    /// Keeps these bytes from `at` on; false if there is no room.
    pub fn keep(&self, at: usize, bytes: &[u8]) -> bool {
        let room = at + bytes.len() <= self.weights.length() as usize;
        if room {
            self.weights.subarray(at as u32, (at + bytes.len()) as u32).copy_from(bytes);
        }
        room
    }

    /// Tells the helpers a task after the one of this number, and gives its own; nothing if it is too large.
    pub fn tell(&self, last: i32, task: &Task, inputs: &[u32]) -> Option<i32> {
        let parts = task.parts();
        let results = task.results(parts - 1).end;
        if inputs.len() > INPUTS as usize || results > RESULTS as usize || parts >= PARTS as usize {
            return None;
        }
        let number = (last + 1) % NUMBERS;
        // No task has so many parts: the count is closed.
        self.store(NEXT, number * PARTS + PARTS - 1);
        self.inputs.subarray(0, inputs.len() as u32).copy_from(inputs);
        for (place, word) in (TASK..).zip(task.words().into_iter().chain([inputs.len() as u32])) {
            self.store(place, word as i32);
        }
        self.store(DONE, 0);
        self.store(NEXT, number * PARTS);
        self.store(NUMBER, number);
        // Whoever does not wake takes no part.
        let _ = Atomics::notify(&self.control, NUMBER);
        Some(number)
    }

    /// Sleeps until there is another task than the one of this number.
    pub fn listen(&self, last: i32) -> i32 {
        let _ = Atomics::wait(&self.control, NUMBER, last);
        self.load(NUMBER)
    }

    /// The task that was told last, and its inputs; nothing if these are words of two tasks and make no sense.
    pub fn task(&self, inputs: &mut Vec<u32>) -> Option<Task> {
        let task = Task::from_words(std::array::from_fn(|n| self.load(TASK + n as u32) as u32))?;
        let words = self.load(TASK + Task::WORDS as u32) as u32;
        let last = task.parts().checked_sub(1)?;
        let fits = words <= INPUTS
            && task.results(last).end <= RESULTS as usize
            && task.kept(last).end <= self.weights.length() as usize;
        if !fits {
            return None;
        }
        inputs.resize(words as usize, 0);
        self.inputs.subarray(0, words).copy_to(inputs);
        Some(task)
    }

    /// Takes a part of the task of this number, if it is still the one and has one left.
    pub fn take(&self, number: i32, parts: usize) -> Option<usize> {
        loop {
            let next = self.load(NEXT);
            if next / PARTS != number || next % PARTS >= parts as i32 {
                return None;
            }
            if Atomics::compare_exchange(&self.control, NEXT, next, next + 1) == Ok(next) {
                return Some((next % PARTS) as usize);
            }
        }
    }

    /// What a part needs of what is kept.
    pub fn kept(&self, task: &Task, part: usize, bytes: &mut Vec<u8>) {
        let range = task.kept(part);
        bytes.resize(range.len(), 0);
        self.weights.subarray(range.start as u32, range.end as u32).copy_to(bytes);
    }

    /// Hands in what came out of a part.
    pub fn hand_in(&self, task: &Task, part: usize, numbers: &[f32]) {
        let range = task.results(part);
        self.results.subarray(range.start as u32, range.end as u32).copy_from(numbers);
        let _ = Atomics::add(&self.control, DONE, 1);
        let _ = Atomics::notify(&self.control, DONE);
    }

    /// Waits until helpers have done so many parts; false if they do not go on for so many milliseconds.
    pub fn wait(&self, parts: usize, patience_ms: f64) -> bool {
        loop {
            let done = self.load(DONE);
            if done as usize >= parts {
                return true;
            }
            let woken = Atomics::wait_with_timeout(&self.control, DONE, done, patience_ms);
            if woken.map_or(true, |how| how == "timed-out") {
                return false;
            }
        }
    }

    /// What a helper handed in.
    pub fn results(&self, task: &Task, part: usize, numbers: &mut Vec<f32>) {
        let range = task.results(part);
        numbers.resize(range.len(), 0.0);
        self.results.subarray(range.start as u32, range.end as u32).copy_to(numbers);
    }

    /// One more helper listens.
    pub fn ready(&self) {
        let _ = Atomics::add(&self.control, READY, 1);
    }

    /// How many listen.
    pub fn are_ready(&self) -> usize {
        self.load(READY) as usize
    }

    fn load(&self, word: u32) -> i32 {
        // It fails for other kinds of memory only.
        Atomics::load(&self.control, word).unwrap_or_default()
    }

    fn store(&self, word: u32, value: i32) {
        let _ = Atomics::store(&self.control, word, value);
    }
}
