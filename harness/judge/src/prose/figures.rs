//! Counts, percentages, scores, latencies and rates: figures that would need their samples.

use super::Kind;
use super::fragment::Fragment;
use super::lexicon::{BOUNDS, COUNTED, INVENTORY, SHARES, STATES};
use super::rules::Claimed;

/// What a latency or a rate is spoken of as.
const METRICS: [&str; 22] = [
    "p50",
    "p90",
    "p95",
    "p99",
    "p99.9",
    "latency",
    "latencies",
    "throughput",
    "rps",
    "qps",
    "req/s",
    "requests/s",
    "ops/s",
    "overhead",
    "uptime",
    "availability",
    "recovery",
    "failover",
    "faster",
    "median",
    "responds",
    "responses",
];
/// Units of time and rate.
const UNITS: [&str; 17] = [
    "ms",
    "s",
    "sec",
    "seconds",
    "second",
    "µs",
    "us",
    "minutes",
    "req/s",
    "requests/s",
    "rps",
    "qps",
    "ops/s",
    "calls",
    "requests",
    "x",
    "min",
];
/// How many words to each side belong to a figure.
const AROUND: usize = 5;
/// What a score of ten is given to.
const SCORED: [&str; 8] = [
    "security",
    "score",
    "rating",
    "quality",
    "owasp",
    "readiness",
    "confidence",
    "reliability",
];

/// The figures that a fragment claims.
pub(super) fn claims(fragment: &Fragment) -> Vec<Claimed> {
    let mut found = Vec::new();
    found.extend(count(fragment));
    found.extend(inventory(fragment));
    found.extend(rates(fragment));
    found.extend(crowd(fragment));
    let measured = |claimed: &Claimed| !is_bound(fragment, claimed);
    found.extend(percentage(fragment).filter(measured));
    found.extend(figure(fragment).filter(measured));
    found
}

/// "The server handles 150 concurrent calls".
fn crowd(fragment: &Fragment) -> Option<Claimed> {
    (0..fragment.tokens.len()).find_map(|from| {
        let bears = ["handles", "sustains", "serves", "carries"].contains(&fragment.word(from));
        let counted = number(fragment.word(from + 1)).is_some();
        let more = usize::from(fragment.word(from + 2) == "+");
        let how = from + 2 + more;
        let together = ["concurrent", "simultaneous", "parallel"].contains(&fragment.word(how));
        (bears && counted && together).then_some(Claimed {
            kind: Kind::Figure,
            from,
            to: how + 1,
        })
    })
}

/// Whether the words around a figure make it a limit or a setting.
fn is_bound(fragment: &Fragment, claimed: &Claimed) -> bool {
    let around = claimed.from.saturating_sub(AROUND)..=claimed.to + AROUND;
    around
        .into_iter()
        .any(|at| BOUNDS.contains(&fragment.word(at)))
}

/// Digits, with a point or a thousands sign; a plus may follow.
fn number(word: &str) -> Option<f64> {
    let plain = word.replace(',', "");
    let is_number = plain.starts_with(|one: char| one.is_ascii_digit());
    plain.parse().ok().filter(|_| is_number)
}

/// `22/22`; two whole numbers and nothing else.
fn fraction(word: &str) -> Option<(f64, f64)> {
    let (part, whole) = word.split_once('/')?;
    let is_small = |text: &str| text.len() <= 4;
    (is_small(part) && is_small(whole)).then_some(())?;
    Some((number(part)?, number(whole)?))
}

/// "22/22 tests", "7/7", "22 of 50+ tasks", "security 9/10".
fn count(fragment: &Fragment) -> Option<Claimed> {
    let meant = |from: usize, to: usize| {
        let near = (from.saturating_sub(3)..to + 4)
            .any(|at| COUNTED.contains(&fragment.word(at)) || STATES.contains(&fragment.word(at)));
        let scored = fragment.has(&SCORED);
        near || scored
    };
    (0..fragment.tokens.len()).find_map(|from| {
        let claimed = |to: usize| {
            Some(Claimed {
                kind: Kind::Count,
                from,
                to,
            })
        };
        if let Some((part, whole)) = fraction(fragment.word(from)) {
            let is_round_the_clock = (part, whole) == (24.0, 7.0);
            let is_all = part >= 2.0 && (part - whole).abs() < f64::EPSILON;
            let is_some = part > 0.0 && part <= whole && meant(from, from);
            if !is_round_the_clock && (is_all || is_some) {
                return claimed(from);
            }
        }
        number(fragment.word(from))?;
        let joined = [(1, "of"), (1, "/"), (2, "of")];
        for (skip, word) in joined {
            let skips_noun = skip == 1 || COUNTED.contains(&fragment.word(from + 1));
            if fragment.word(from + skip) != word || !skips_noun {
                continue;
            }
            let the = usize::from(fragment.word(from + skip + 1) == "the");
            let to = from + skip + 1 + the;
            if number(fragment.word(to)).is_some() && meant(to, to) {
                return claimed(to);
            }
        }
        None
    })
}

/// "2 providers, 20 models": a list of counts and nothing that says whose or why.
fn inventory(fragment: &Fragment) -> Option<Claimed> {
    let is_entry = |at: usize| {
        number(fragment.word(at)).is_some() && INVENTORY.contains(&fragment.word(at + 1))
    };
    let entries: Vec<usize> = (0..fragment.tokens.len())
        .filter(|at| is_entry(*at))
        .collect();
    let (first, last) = (*entries.first()?, *entries.last()?);
    let is_short = fragment.tokens.len() <= last - first + 9;
    (entries.len() >= 2 && is_short).then_some(Claimed {
        kind: Kind::Count,
        from: first,
        to: last + 1,
    })
}

/// "Rate limits 1000/100/50 per s": three limits in a breath, none with its scope.
fn rates(fragment: &Fragment) -> Option<Claimed> {
    let is_triple = |word: &str| {
        let parts: Vec<&str> = word.split('/').collect();
        parts.len() == 3
            && parts
                .iter()
                .all(|part| part.len() <= 5 && number(part).is_some())
    };
    let from = fragment
        .tokens
        .iter()
        .position(|one| is_triple(&one.word))?;
    let speaks = fragment.has(&["rate", "limits", "limiting", "limit"]);
    (speaks && fragment.word(from + 1) == "per").then_some(Claimed {
        kind: Kind::Figure,
        from,
        to: from + 2,
    })
}

fn percentage(fragment: &Fragment) -> Option<Claimed> {
    (0..fragment.tokens.len()).find_map(|from| {
        number(fragment.word(from))?;
        let is_percent = ["%", "percent"].contains(&fragment.word(from + 1));
        let whole = fragment.word(from) == "100" && fragment.tokens.len() <= from + 6;
        let errors = fragment.has(&["errors", "error"]) && fragment.has(&["rate", "<", "under"]);
        (is_percent && (whole || errors || fragment.has(&SHARES))).then_some(Claimed {
            kind: Kind::Percentage,
            from,
            to: from + 1,
        })
    })
}

fn figure(fragment: &Fragment) -> Option<Claimed> {
    let metric = fragment
        .tokens
        .iter()
        .position(|one| METRICS.contains(&one.word.as_str()));
    let from = (0..fragment.tokens.len()).find(|at| {
        let (value, glued) = split_unit(fragment.word(*at));
        value.is_some()
            && (glued.is_some_and(|unit| UNITS.contains(&unit))
                || UNITS.contains(&fragment.word(at + 1)))
    })?;
    let metric = metric.filter(|at| at.abs_diff(from) <= 6)?;
    Some(Claimed {
        kind: Kind::Figure,
        from: from.min(metric),
        to: (from + 1).max(metric),
    })
}

/// `180ms` is 180 and `ms`.
fn split_unit(word: &str) -> (Option<f64>, Option<&str>) {
    let digits = word
        .char_indices()
        .find(|(_, one)| !(one.is_ascii_digit() || *one == '.' || *one == ','))
        .map_or(word.len(), |(at, _)| at);
    let (value, unit) = word.split_at(digits);
    (number(value), (!unit.is_empty()).then_some(unit))
}
