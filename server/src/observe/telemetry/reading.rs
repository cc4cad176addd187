//! A reading of the metrics as OTLP has it, made from the text that a scrape gets, so that both
//! tell the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::attribute;
use crate::observe::history::Series;

/// Sums and histograms count from the start of the process.
const CUMULATIVE: u8 = 2;

type Labels = Vec<(String, String)>;

/// A histogram's samples of one set of labels.
#[derive(Default)]
struct Buckets {
    /// Upper bound and cumulative count, in the order of the text, which is rising.
    counts: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

/// One family while it is read.
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    help: &'a str,
    points: Vec<(Labels, f64)>,
    buckets: BTreeMap<Labels, Buckets>,
}

/// The metrics of a Prometheus text, `began` and `now` in nanoseconds since 1970.
pub fn of(text: &str, began: u128, now: u128) -> Vec<Value> {
    let (mut metrics, mut help, mut family) = (Vec::new(), "", None::<Family<'_>>);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            metrics.extend(family.take().and_then(|family| family.told(began, now)));
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            family = Some(Family::new(name, kind, std::mem::take(&mut help)));
        } else if let Some(family) = &mut family {
            // A sample that cannot be read is left out; the scrape has it as it is.
            let _ = family.add(line);
        }
    }
    metrics.extend(family.and_then(|family| family.told(began, now)));
    metrics
}

impl<'a> Family<'a> {
    fn new(name: &'a str, kind: &'a str, help: &'a str) -> Self {
        Self {
            name,
            kind,
            help,
            points: Vec::new(),
            buckets: BTreeMap::new(),
        }
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (series, value) = line.rsplit_once(' ')?;
        let value: f64 = value.parse().ok()?;
        let Series { name, mut labels } = Series::parse(series)?;
        if self.kind != "histogram" {
            self.points.push((labels, value));
            return Some(());
        }
        let bound = labels.iter().position(|(label, _)| label == "le");
        let bound = bound.map(|place| labels.remove(place).1);
        let buckets = self.buckets.entry(labels).or_default();
        match (name.strip_prefix(self.name)?, bound) {
            ("_bucket", Some(bound)) => {
                buckets.counts.push((bound.parse().ok()?, value as u64));
            }
            ("_sum", None) => buckets.sum = value,
            ("_count", None) => buckets.count = value as u64,
            _ => return None,
        }
        Some(())
    }

    /// The family on the wire; `None` without any sample.
    fn told(self, began: u128, now: u128) -> Option<Value> {
        let (began, now) = (began.to_string(), now.to_string());
        let point = |(labels, value): (Labels, f64)| {
            json!({"attributes": attributes(&labels), "startTimeUnixNano": began,
                "timeUnixNano": now, "asDouble": value})
        };
        let drawn = |(labels, buckets): (Labels, Buckets)| {
            let mut point = buckets.told();
            point["attributes"] = attributes(&labels);
            point["startTimeUnixNano"] = began.as_str().into();
            point["timeUnixNano"] = now.as_str().into();
            point
        };
        let points: Vec<Value> = match self.kind {
            "histogram" => self.buckets.into_iter().map(drawn).collect(),
            _ => self.points.into_iter().map(point).collect(),
        };
        let data = match self.kind {
            _ if points.is_empty() => return None,
            "histogram" => ("histogram", json!({"aggregationTemporality": CUMULATIVE})),
            "counter" => (
                "sum",
                json!({"aggregationTemporality": CUMULATIVE, "isMonotonic": true}),
            ),
            _ => ("gauge", json!({})),
        };
        let (form, mut data) = data;
        data["dataPoints"] = points.into();
        Some(json!({"name": self.name, "description": self.help, form: data}))
    }
}

impl Buckets {
    /// Counts of each bucket alone, the last of them without an upper bound.
    fn told(&self) -> Value {
        let (mut before, mut counts, mut bounds) = (0, Vec::new(), Vec::new());
        for (bound, count) in &self.counts {
            counts.push(count.saturating_sub(before).to_string());
            before = *count;
            if bound.is_finite() {
                bounds.push(*bound);
            }
        }
        json!({"count": self.count.to_string(), "sum": self.sum,
            "bucketCounts": counts, "explicitBounds": bounds})
    }
}

fn attributes(labels: &Labels) -> Value {
    let all = labels
        .iter()
        .map(|(name, value)| attribute(name, &Value::from(value.as_str())));
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a_total Things.\n# TYPE a_total counter\na_total{kind=\"x\"} 3\n\
        # TYPE b gauge\nb 0.5\n# TYPE silent counter\n# TYPE c histogram\n\
        c_bucket{tool=\"t\",le=\"0.1\"} 1\nc_bucket{tool=\"t\",le=\"1.0\"} 4\n\
        c_bucket{tool=\"t\",le=\"+Inf\"} 5\nc_sum{tool=\"t\"} 7.5\nc_count{tool=\"t\"} 5\n";

    #[test]
    fn counters_gauges_and_histograms_have_the_figures_of_the_text() {
        let told = of(TEXT, 1, 2);
        assert_eq!(told.len(), 3, "a family without a sample is told: {told:?}");
        assert_eq!(
            told[0],
            json!({"name": "a_total", "description": "Things.", "sum": {
                "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [{
                    "attributes": [{"key": "kind", "value": {"stringValue": "x"}}],
                    "startTimeUnixNano": "1", "timeUnixNano": "2", "asDouble": 3.0}]}})
        );
        assert_eq!(told[1]["gauge"]["dataPoints"][0]["asDouble"], 0.5);
        let point = &told[2]["histogram"]["dataPoints"][0];
        assert_eq!(point["bucketCounts"], json!(["1", "3", "1"]));
        assert_eq!(point["explicitBounds"], json!([0.1, 1.0]));
        assert_eq!((&point["count"], &point["sum"]), (&json!("5"), &json!(7.5)));
    }
}
