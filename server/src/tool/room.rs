//! Room in memory. Near the limit no call is begun that would hold more, so that those under way
//! end and what they held is free again: a process that is killed for its size loses all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::failure::{Category, Failure};
use crate::observe::health::{Report, Status};

/// When to try again: it is looked once a second, and most calls last longer.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The room of one process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Room {
    limit: u64,
    is_short: Arc<AtomicBool>,
}

impl Room {
    /// Short from `limit` bytes of own memory on; where it is 0, from nine tenths of `most` on, the
    /// bytes that the process may use. Where that cannot be read either, it is never short.
    #[must_use]
    pub fn new(limit: u64, most: u64) -> Self {
        let limit = match (limit, most / 10 * 9) {
            (0, 0) => u64::MAX,
            (0, share) => share,
            (limit, _) => limit,
        };
        Self {
            limit,
            is_short: Arc::default(),
        }
    }

    /// Notes the bytes of own memory. Once short, it is so until a tenth of the limit is free.
    pub fn look(&self, own: u64) -> Report {
        let least = match self.is_short() {
            true => self.limit / 10 * 9,
            false => self.limit,
        };
        let is_short = own >= least;
        self.is_short.store(is_short, Ordering::Relaxed);
        let report = match is_short {
            true => Report::new(Status::Unhealthy, "memory is short: no calls are begun"),
            false => Report::new(Status::Healthy, ""),
        };
        report
            .local()
            .fact("own_bytes", own)
            .fact("limit_bytes", self.limit)
    }

    /// As the last look found it.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// To be asked before a call that may last.
    ///
    /// # Errors
    /// `short_of_memory`, a `rate_limit_error` with a time to wait.
    pub fn check(&self) -> Result<(), Failure> {
        if !self.is_short() {
            return Ok(());
        }
        let message = "This server is short of memory and begins no calls. Try again in 5 seconds.";
        let failure = Failure::new(Category::RateLimitError, "short_of_memory", message);
        Err(failure.with_retry_after(RETRY_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_short_from_the_limit_on_until_a_tenth_is_free() {
        let room = Room::new(1000, 5000);
        assert_eq!(room.look(999).status, Status::Healthy);
        assert!(room.check().is_ok());
        let report = room.look(1000);
        assert_eq!((report.status, report.is_local), (Status::Unhealthy, true));
        let refused = room.check().unwrap_err();
        assert_eq!(
            (refused.code, refused.category),
            ("short_of_memory", Category::RateLimitError)
        );
        assert!(refused.retry_after.is_some());
        assert_eq!(room.look(900).status, Status::Unhealthy);
        assert_eq!(room.look(899).status, Status::Healthy);
        assert!(room.check().is_ok());
    }

    #[test]
    fn without_a_limit_it_is_nine_tenths_of_what_may_be_used_or_none() {
        assert_eq!(Room::new(0, 5000).look(4500).status, Status::Unhealthy);
        assert_eq!(Room::new(0, 5000).look(4499).status, Status::Healthy);
        assert_eq!(Room::new(0, 0).look(1 << 60).status, Status::Healthy);
    }
}
