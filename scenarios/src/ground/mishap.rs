//! What befalls the rig while an honest server works, once a run and ordered by nobody: the judge
//! must see whose fault it was. The server is never touched.

mod crowd;

use std::fs::File;
use std::io;
use std::time::Duration;

use exai_harness::operation::builder::Shape;
use exai_harness::wall_clock;
use exai_judge::{Outcome, Transport};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use super::Ground;
use crate::stage::{PATIENCE, Person, Stage, Trouble};
use crowd::Crowd;

/// From the first workload's begin.
const AFTER: Duration = Duration::from_secs(2);
/// How long descriptors are short: longer than the sampler takes from one look to the next.
const SHORT: Duration = Duration::from_millis(2_500);
/// How many more may be opened before there are none.
const LEFT: rlim_t = 8;
/// How many come meanwhile at most, to the phase of V.3 that is judged. Those who are there have
/// connections, so that short descriptors alone need not hurt any of their calls.
const NEWCOMERS: usize = 8;
/// Where the wall clock stands against the machine's after each step, in seconds.
const STEPS: [i64; 3] = [30, -30, 0];
/// The provider whose simulator dies.
const DYING: &str = "glm";

/// What befalls the rig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// A simulator is killed; its restart policy brings it back.
    SimulatorDies,
    /// The store is killed, which is a process of its own; likewise.
    StoreDies,
    /// The disk of the evidence is full from then on.
    DiskFull,
    /// This process has no descriptor left for some seconds.
    NoDescriptors,
    /// Our wall clock is stepped, and right again at last. Those of what we started are the
    /// machine's: a judged process with a library before its own would be another build.
    ClockSteps,
    /// Processes that are none of ours want every processor, from begin to end.
    Neighbours,
    /// The store's edge keeps the delays it was given when it is healed.
    StaysSlow,
}

/// Works, and lets the mishap of this run happen meanwhile, if there is one.
///
/// # Errors
/// The work's, and the rig's when the mishap could not be made.
pub async fn beside(
    stage: &Stage,
    work: impl Future<Output = Result<(), Trouble>>,
) -> Result<(), Trouble> {
    let Some(mishap) = stage.damage.mishap() else {
        return work.await;
    };
    let rig = |error: io::Error| Trouble::Rig(error.to_string());
    let _until_the_end = match mishap {
        Mishap::Neighbours => Some(Crowd::gather().map_err(rig)?),
        _ => None,
    };
    let happen = async {
        stage.rest(AFTER).await?;
        stage.ground.befall(stage, mishap).await
    };
    let (worked, happened) = tokio::join!(work, happen);
    worked.and(happened)
}

impl Ground {
    async fn befall(&self, stage: &Stage, mishap: Mishap) -> Result<(), Trouble> {
        match mishap {
            Mishap::SimulatorDies => Ok(self.topology.lose(DYING)?),
            Mishap::StoreDies => Ok(self.topology.lose("store")?),
            Mishap::DiskFull => {
                stage.recorder.fill_disk();
                Ok(())
            }
            Mishap::NoDescriptors => {
                let hoard = Hoard::open().map_err(|error| Trouble::Rig(error.to_string()))?;
                self.newcomers(stage).await?;
                stage.rest(SHORT).await?;
                drop(hoard);
                Ok(())
            }
            Mishap::ClockSteps => {
                let file = wall_clock::own_file();
                let file = file.ok_or_else(|| Trouble::Rig("no clock to step".to_owned()))?;
                for seconds in STEPS {
                    let stepped = wall_clock::step(&file, seconds);
                    stepped.map_err(|error| Trouble::Rig(error.to_string()))?;
                    stage.rest(SHORT).await?;
                }
                Ok(())
            }
            Mishap::Neighbours => Ok(()),
            Mishap::StaysSlow => Ok(self.topology.keep_store_slow()?),
        }
    }

    /// Calls on connections of their own, until one finds no descriptor that somebody else has just
    /// given back.
    async fn newcomers(&self, stage: &Stage) -> Result<(), Trouble> {
        let mut builder = stage.builder(3_300);
        let mut connected = Vec::new();
        for number in 0..NEWCOMERS {
            let person = Person {
                role: "newcomer",
                number: 360 + number,
            };
            let client = self.connect(self.identity(person), Transport::Http2026);
            let client = client.map_err(Trouble::Rig)?;
            let plan = builder.chat(&Shape::plain(PATIENCE)).within("V.3", "peak");
            if stage.perform(&client, &plan).await.outcome != Outcome::Ok {
                break;
            }
            connected.push(client);
        }
        Ok(())
    }
}

/// Every descriptor that this process may still open. Without a test beside others in one process,
/// which would find none either; row B7 of the self-test is its test.
struct Hoard {
    limits: (rlim_t, rlim_t),
    held: Vec<File>,
}

impl Hoard {
    fn open() -> io::Result<Self> {
        let limits = getrlimit(Resource::RLIMIT_NOFILE)?;
        let open = std::fs::read_dir("/proc/self/fd")?.count();
        let few = rlim_t::try_from(open).unwrap_or(rlim_t::MAX) + LEFT;
        setrlimit(Resource::RLIMIT_NOFILE, few.min(limits.0), limits.1)?;
        let mut hoard = Self {
            limits,
            held: Vec::new(),
        };
        // Ends with the first refusal, which is what this is for.
        while let Ok(file) = File::open("/dev/null") {
            hoard.held.push(file);
        }
        Ok(hoard)
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        self.held.clear();
        let (soft, hard) = self.limits;
        // The limit it had: nothing above the hard one is asked for.
        let _granted = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
    }
}
