//! The processes of a sweep, which must not outlive it.

use std::{
    io,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How often it is looked whether one has ended.
const POLL: Duration = Duration::from_millis(50);

/// Those that run now; clones share them.
#[derive(Clone, Default)]
pub(super) struct Processes(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    children: Vec<Child>,
    /// Whether no more may begin.
    ended: bool,
}

impl Processes {
    /// Starts one and waits for its end; does not come back once [`Self::end`] was called, as the program ends then.
    ///
    /// # Errors
    /// One that cannot be started.
    pub fn run(&self, command: &mut Command) -> io::Result<ExitStatus> {
        let id = {
            let mut running = self.running();
            if running.ended {
                drop(running);
                wait_for_the_end();
            }
            let child = command.spawn()?;
            let id = child.id();
            running.children.push(child);
            id
        };
        loop {
            {
                let children = &mut self.running().children;
                match children.iter().position(|child| child.id() == id) {
                    Some(place) if children[place].try_wait()?.is_some() => {
                        return children.swap_remove(place).wait();
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            thread::sleep(POLL);
        }
        wait_for_the_end()
    }

    /// Kills all of them, which loses nothing that they have kept, and lets none begin.
    pub fn end(&self) {
        let mut running = self.running();
        running.ended = true;
        for mut child in running.children.drain(..) {
            // One that has just ended by itself cannot be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing is said or begun on the way out.
fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}
