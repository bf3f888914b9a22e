//! [`StartingSetup`]: a setup whose connector is being called.

use super::Setup;
use crate::event::ConnectResult;
use crate::failure::{Failure, Kind};

/// Ends the setup if the connector panics when it is called: then no future does.
#[derive(Debug)]
pub(crate) struct StartingSetup<'a>(&'a Setup);

impl<'a> StartingSetup<'a> {
    pub(crate) const fn new(setup: &'a Setup) -> Self {
        Self(setup)
    }
}

impl Drop for StartingSetup<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let failure = Failure::new(Kind::Other).in_setup(self.0.running_phase());
            self.0.finish(ConnectResult::Failed(&failure));
        }
    }
}
