//! The runtime of what may wait: HTTP, and what goes on to other systems.

use std::io;

use tokio::runtime::{self, Handle, Runtime};

use crate::{threads::Share, ws};

/// Its threads stand back for the others when a core is full. So those who come, and sign in, and read the lists, don't
/// crowd out those who talk on sockets. (Who talks over HTTP, as bots may, stands back, too.) What goes on to other
/// systems is read and told here as well. The operator's listener is not served here: what is asked there must not wait
/// behind a storm.
pub(super) struct PatientRuntime {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl PatientRuntime {
    /// With a thread for each core.
    ///
    /// # Errors
    /// When the system gives no thread or no file.
    pub(super) fn new() -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("http")
            .on_thread_start(|| Share::Patient.take())
            .on_thread_park(ws::thread_idles)
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle })
    }

    /// What is spawned inside it runs there.
    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for PatientRuntime {
    fn drop(&mut self) {
        // What its tasks do is over, or was given up; other tasks must not wait for its threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
