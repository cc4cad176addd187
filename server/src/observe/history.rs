//! What the metrics were, over the last hour: the dashboard's rates and the alerts' windows are
//! computed from the very text that a scraper gets, so neither can show what a scrape does not.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Points of the last minutes are this far apart.
pub const FINE: Duration = Duration::from_secs(5);

/// For so long points are that fine.
const RECENT: Duration = Duration::from_secs(5 * 60);

/// Older points are this far apart.
const COARSE: Duration = Duration::from_secs(60);

/// Nothing older is kept.
const LONGEST: Duration = Duration::from_secs(65 * 60);

/// One time series: the sample's name and its labels, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Such as `exai_requests_total`.
    pub name: String,
    /// Name and value of each label.
    pub labels: Vec<(String, String)>,
}

impl Series {
    /// A label's value; empty when there is no such label, as in PromQL.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map_or("", |(_, value)| value)
    }

    /// Reads `name{label="value",…}`; `None` when it is no such thing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((name, rest)) = text.split_once('{') else {
            return Some(Self {
                name: text.to_owned(),
                labels: Vec::new(),
            });
        };
        let mut rest = rest.strip_suffix('}')?;
        let mut labels = Vec::new();
        while !rest.is_empty() {
            let (label, quoted) = rest.split_once("=\"")?;
            let (value, after) = unquote(quoted)?;
            labels.push((label.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        Some(Self {
            name: name.to_owned(),
            labels,
        })
    }
}

/// A label's value up to its closing quote, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

/// Which series of a family are meant, and what they are added up by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pick<'a> {
    /// The sample's name.
    pub name: &'a str,
    /// Labels with the values they must have.
    pub only: &'a [(&'a str, &'a str)],
    /// The label that groups; empty for one group.
    pub by: &'a str,
}

impl<'a> Pick<'a> {
    /// All series of a name, in one group.
    #[must_use]
    pub const fn all(name: &'a str) -> Self {
        Self {
            name,
            only: &[],
            by: "",
        }
    }

    /// Grouped by a label.
    #[must_use]
    pub const fn by(self, by: &'a str) -> Self {
        Self { by, ..self }
    }

    /// Those alone whose labels have these values.
    #[must_use]
    pub const fn only(self, only: &'a [(&'a str, &'a str)]) -> Self {
        Self { only, ..self }
    }

    fn takes(&self, series: &Series) -> bool {
        series.name == self.name && self.only.iter().all(|(label, v)| series.label(label) == *v)
    }
}

#[derive(Debug)]
struct Tick {
    at: Instant,
    /// By the place of the series; shorter when a series came later.
    values: Vec<f64>,
}

/// The points, and the names of what was measured.
#[derive(Debug, Default)]
pub struct History {
    places: HashMap<String, usize>,
    series: Vec<Series>,
    now: Option<Tick>,
    past: VecDeque<Tick>,
}

impl History {
    /// Takes a scrape in the Prometheus text form, and thins what is older.
    pub fn push(&mut self, at: Instant, text: &str) {
        let mut values = vec![f64::NAN; self.series.len()];
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        for (id, value) in samples.filter_map(|line| line.rsplit_once(' ')) {
            let Ok(value) = value.parse() else { continue };
            let place = match self.places.get(id) {
                Some(place) => *place,
                None => match Series::parse(id) {
                    Some(series) => {
                        self.places.insert(id.to_owned(), self.series.len());
                        self.series.push(series);
                        values.push(f64::NAN);
                        self.series.len() - 1
                    }
                    None => continue,
                },
            };
            values[place] = value;
        }
        if let Some(before) = self.now.replace(Tick { at, values }) {
            let is_due = |last: &Tick| before.at.saturating_duration_since(last.at) >= FINE;
            if self.past.back().is_none_or(is_due) {
                self.past.push_back(before);
                self.thin(at);
            }
        }
    }

    fn thin(&mut self, now: Instant) {
        let mut kept: Option<Instant> = None;
        self.past.retain(|tick| {
            let age = now.saturating_duration_since(tick.at);
            let is_apart = kept.is_none_or(|last| tick.at - last >= COARSE);
            let stays = age <= RECENT || (age <= LONGEST && is_apart);
            if stays {
                kept = Some(tick.at);
            }
            stays
        });
    }

    /// The last values, added up in groups.
    #[must_use]
    pub fn now(&self, pick: Pick<'_>) -> BTreeMap<String, f64> {
        self.now.as_ref().map_or_else(BTreeMap::new, |tick| {
            self.grouped(pick, |place| tick.value(place))
        })
    }

    /// The last values in one sum; 0 when there are none.
    #[must_use]
    pub fn sum(&self, pick: Pick<'_>) -> f64 {
        // An empty sum is -0.
        self.now(pick).values().sum::<f64>() + 0.0
    }

    /// What counters grew by within a window that ends now, added up in groups. A window longer
    /// than the history is cut to it.
    #[must_use]
    pub fn increase(&self, pick: Pick<'_>, window: Duration) -> BTreeMap<String, f64> {
        let (Some(now), Some(then)) = (&self.now, self.base(window)) else {
            return BTreeMap::new();
        };
        self.grouped(pick, |place| grown(then, now, place))
    }

    /// The increase in one sum.
    #[must_use]
    pub fn grown(&self, pick: Pick<'_>, window: Duration) -> f64 {
        self.increase(pick, window).values().sum::<f64>() + 0.0
    }

    /// The seconds that a window really covers; at least a millisecond.
    #[must_use]
    pub fn covered(&self, window: Duration) -> f64 {
        let (Some(now), Some(then)) = (&self.now, self.base(window)) else {
            return window.as_secs_f64();
        };
        (now.at - then.at).as_secs_f64().max(0.001)
    }

    /// A histogram's quantile over what was observed within a window, by group; groups without an
    /// observation are left out. `pick.name` is the family's name.
    #[must_use]
    pub fn quantile(&self, pick: Pick<'_>, q: f64, window: Duration) -> BTreeMap<String, f64> {
        let (Some(now), Some(then)) = (&self.now, self.base(window)) else {
            return BTreeMap::new();
        };
        let bucket = format!("{}_bucket", pick.name);
        let pick = Pick {
            name: &bucket,
            ..pick
        };
        let mut groups: BTreeMap<String, BTreeMap<u64, (f64, f64)>> = BTreeMap::new();
        for (place, series) in self.picked(pick) {
            let le: f64 = series.label("le").parse().unwrap_or(f64::INFINITY);
            let group = groups.entry(series.label(pick.by).to_owned()).or_default();
            // Bits of positive numbers are in the order of the numbers.
            let bucket = group.entry(le.to_bits()).or_insert((le, 0.0));
            bucket.1 += grown(then, now, place);
        }
        let quantiles = groups.into_iter().filter_map(|(group, buckets)| {
            let buckets: Vec<(f64, f64)> = buckets.into_values().collect();
            Some((group, quantile(&buckets, q)?))
        });
        quantiles.collect()
    }

    /// One value a point of the last five minutes, oldest first: a gauge's sum, or what a counter
    /// grew by in each second.
    #[must_use]
    pub fn line(&self, pick: Pick<'_>, is_counter: bool) -> Vec<f64> {
        let ticks: Vec<&Tick> = self.recent().collect();
        let places: Vec<usize> = self.picked(pick).map(|(place, _)| place).collect();
        let sum = |tick: &Tick| -> f64 {
            let values = places.iter().map(|place| tick.value(*place));
            values.filter(|value| !value.is_nan()).sum()
        };
        if !is_counter {
            return ticks.into_iter().map(sum).collect();
        }
        let steps = ticks.windows(2).map(|two| {
            let seconds = (two[1].at - two[0].at).as_secs_f64().max(0.001);
            (sum(two[1]) - sum(two[0])).max(0.0) / seconds
        });
        steps.collect()
    }

    /// What was observed on average between two points of the last five minutes, oldest first; 0
    /// where nothing was. `pick.name` is a histogram's.
    #[must_use]
    pub fn pace(&self, pick: Pick<'_>) -> Vec<f64> {
        let named = |suffix| format!("{}_{suffix}", pick.name);
        let (sum, count) = (named("sum"), named("count"));
        let line = |name| self.line(Pick { name, ..pick }, true);
        let pairs = line(&sum).into_iter().zip(line(&count));
        let means = pairs.map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 });
        means.collect()
    }

    fn recent(&self) -> impl Iterator<Item = &Tick> {
        let all = self.past.iter().chain(&self.now);
        let now = self.now.as_ref().map(|tick| tick.at);
        all.filter(move |tick| now.is_some_and(|now| now - tick.at <= RECENT))
    }

    /// The oldest point within the window; the oldest of all where the window is older.
    fn base(&self, window: Duration) -> Option<&Tick> {
        let now = self.now.as_ref()?;
        let within = |tick: &&Tick| now.at.saturating_duration_since(tick.at) <= window;
        self.past.iter().find(within).or_else(|| self.past.back())
    }

    fn picked<'a>(&'a self, pick: Pick<'a>) -> impl Iterator<Item = (usize, &'a Series)> {
        let places = self.series.iter().enumerate();
        places.filter(move |(_, series)| pick.takes(series))
    }

    fn grouped(&self, pick: Pick<'_>, value: impl Fn(usize) -> f64) -> BTreeMap<String, f64> {
        let mut groups = BTreeMap::new();
        for (place, series) in self.picked(pick) {
            let value = value(place);
            if !value.is_nan() {
                *groups.entry(series.label(pick.by).to_owned()).or_default() += value;
            }
        }
        groups
    }
}

impl Tick {
    fn value(&self, place: usize) -> f64 {
        self.values.get(place).copied().unwrap_or(f64::NAN)
    }
}

/// A counter that was not there yet was at zero.
fn grown(then: &Tick, now: &Tick, place: usize) -> f64 {
    let before = Some(then.value(place)).filter(|value| !value.is_nan());
    now.value(place) - before.unwrap_or(0.0)
}

/// As PromQL's `histogram_quantile`: linear within a bucket; of the last one, its lower bound.
fn quantile(buckets: &[(f64, f64)], q: f64) -> Option<f64> {
    let all = buckets.last().map(|(_, count)| *count)?;
    if all.is_nan() || all <= 0.0 {
        return None;
    }
    let rank = q * all;
    let place = buckets.iter().position(|(_, count)| *count >= rank)?;
    let (below, before) = match place {
        0 => (0.0, 0.0),
        place => buckets[place - 1],
    };
    let (bound, count) = buckets[place];
    if bound.is_infinite() {
        return Some(below);
    }
    Some(below + (bound - below) * ((rank - before) / (count - before).max(1.0)).min(1.0))
}

#[cfg(test)]
#[path = "history/tests.rs"]
mod tests;
