//! Requests at each provider, beside how many there may be.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Labels, Metrics, label};

/// Every family of this file, as in [`super::registration::FAMILIES`].
pub(super) const FAMILIES: [(&str, &str); 2] = [
    ("exai_provider_in_flight", "gauge"),
    ("exai_provider_in_flight_limit", "gauge"),
];

#[derive(Default)]
pub(super) struct Occupancy {
    requests: Family<Labels, Gauge>,
    limits: Family<Labels, Gauge>,
}

impl Occupancy {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "exai_provider_in_flight",
            "Requests at a provider that hold one of its permits",
            self.requests.clone(),
        );
        r.register(
            "exai_provider_in_flight_limit",
            "Permits of a provider",
            self.limits.clone(),
        );
    }
}

/// One request at a provider, until dropped.
#[derive(Debug)]
pub struct Occupied(Gauge);

impl Occupied {
    /// Counts one more.
    #[must_use]
    pub fn one_of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// The count of requests at a provider that may have so many.
    #[must_use]
    pub fn provider_in_flight(&self, provider: &str, limit: usize) -> Gauge {
        let (labels, occupancy) = (label(&[("provider", provider)]), &self.0.occupancy);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        occupancy.limits.get_or_create(&labels).set(limit);
        occupancy.requests.get_or_create(&labels).clone()
    }
}
