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
    /// Starts one and waits for its end.
    ///
    /// # Errors
    /// One that cannot be started, or that [`Self::end`] ended.
    pub fn run(&self, command: &mut Command) -> io::Result<ExitStatus> {
        let id = {
            let mut running = self.running();
            if running.ended {
                return Err(ended());
            }
            let child = command.spawn()?;
            let id = child.id();
            running.children.push(child);
            id
        };
        loop {
            {
                let children = &mut self.running().children;
                let place = children.iter().position(|child| child.id() == id).ok_or_else(ended)?;
                if children[place].try_wait()?.is_some() {
                    return children.swap_remove(place).wait();
                }
            }
            thread::sleep(POLL);
        }
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

fn ended() -> io::Error {
    io::Error::other("the sweep was ended")
}
