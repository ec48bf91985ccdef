//! What is done when somebody ends the program: Ctrl-C, or SIGTERM where there is that.

use std::{io, process, thread};

use tokio::runtime::Builder;

/// From now on, does `last` when the program is to end, and then ends with the status that shells give to that: 128 and the
/// signal's number. Where the system does not tell of it, the program ends without.
pub fn before_end(last: impl FnOnce() + Send + 'static) {
    let Ok(runtime) = Builder::new_current_thread().enable_io().build() else { return };
    // The system tells from here on, not only when the thread has begun.
    let context = runtime.enter();
    let Ok(asked) = asked() else { return };
    drop(context);
    thread::spawn(move || {
        let status = runtime.block_on(asked);
        last();
        process::exit(status);
    });
}

/// What waits until somebody asks, and gives the status.
#[cfg(unix)]
fn asked() -> io::Result<impl Future<Output = i32> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        }
    })
}

#[cfg(windows)]
fn asked() -> io::Result<impl Future<Output = i32> + Send> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
        130
    })
}
