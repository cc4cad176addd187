//! What an operator sees of a running server: the figures of the monitoring feed and the parts of
//! the dashboard.

use serde_json::json;

use crate::observe::Health;
use crate::observe::dashboard::{self, Part};
use crate::observe::event::Happenings;
use crate::observe::manifest::now_utc;
use crate::observe::watch::Watch;
use crate::tool::Toolbox;

/// Happenings on the page.
const SHOWN: usize = 40;

/// Everything that is shown; cheap to clone.
#[derive(Clone)]
pub struct Screen {
    /// The metrics, their history and the alerts.
    pub watch: Watch,
    /// Component states.
    pub health: Health,
    /// The tools.
    pub toolbox: Toolbox,
}

impl Screen {
    /// The parts of the dashboard as they are now.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let around = self.toolbox.surroundings();
        let (detail, providers) = (self.health.detail(), (around.providers)());
        let happenings = Happenings::of_the_log().newest(SHOWN);
        let tools = self.toolbox.registry().tools().iter();
        let tools: Vec<&'static str> = tools.map(|tool| tool.name).collect();
        self.watch.read(|history, alerts| {
            dashboard::parts(&dashboard::View {
                history,
                detail: &detail,
                providers: &providers,
                tools: &tools,
                alerts: &alerts.firing(),
                happenings: &happenings,
                instance_name: &around.settings.instance_name,
                started_at: around.identity.started_at(),
            })
        })
    }

    /// The figures in one JSON text.
    #[must_use]
    pub fn snapshot(&self, sessions: usize) -> String {
        let detail = self.health.detail();
        let permits = self.toolbox.permits();
        json!({
            "op": "snapshot",
            "timestamp": now_utc(),
            "instance": self.toolbox.surroundings().identity.instance(),
            "status": detail.status,
            "ready": detail.not_ready.is_none(),
            "not_ready": detail.not_ready,
            "components": detail.components,
            "in_flight": {"current": permits.current(), "limit": permits.limit()},
            "sessions": sessions,
            "alerts": self.watch.read(|_, alerts| alerts.firing()),
            "events": Happenings::of_the_log().newest(SHOWN),
        })
        .to_string()
    }
}
