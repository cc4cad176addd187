//! How a fragment claims: the rules, from the plainest to the ones that need most care.

use super::Kind;
use super::figures;
use super::fragment::Fragment;
use super::lexicon::{
    BEHAVIOUR, COUNTED, DEGREES, HEDGES, OPINION, PARTS, READINESS, STAGES, STATES, TRIED,
    criterion,
};

/// The words of a fragment that claim something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// What sort.
    pub kind: Kind,
    /// The first token.
    pub from: usize,
    /// The last token.
    pub to: usize,
}

/// Marks that say "done".
const MARKS: [&str; 6] = ["✅", "✔", "☑", "✓", "🟢", "💯"];
/// A fragment of so few words says what it says without a verb.
const TERSE: usize = 12;
/// States that a cell of a table holds for no other reason than to report one.
const REPORTED: [&str; 12] = [
    "operational",
    "healthy",
    "passed",
    "passing",
    "working",
    "resolved",
    "completed",
    "stable",
    "verified",
    "validated",
    "restored",
    "functional",
];
/// Nouns whose absence is claimed.
const TROUBLES: [&str; 18] = [
    "error",
    "errors",
    "issue",
    "issues",
    "bugs",
    "failures",
    "vulnerabilities",
    "downtime",
    "secrets",
    "leaks",
    "regressions",
    "blockers",
    "defects",
    "incidents",
    "crashes",
    "loss",
    "credentials",
    "warnings",
];
/// With one of these, absence is claimed of the whole.
const SERIOUS: [&str; 14] = [
    "critical",
    "known",
    "open",
    "remaining",
    "outstanding",
    "hard-coded",
    "hardcoded",
    "major",
    "security",
    "blocking",
    "data",
    "production",
    "memory",
    "high-severity",
];

/// What a fragment claims, one of a kind.
#[must_use]
pub fn claims(fragment: &Fragment) -> Vec<Claimed> {
    let mut found: Vec<Claimed> = Vec::new();
    let is_shown = fragment.cell && fragment.cites;
    if fragment.asks || fragment.demands || is_shown {
        return found;
    }
    found.extend(check_mark(fragment));
    found.extend(phrase(fragment, &OPINION, Kind::Opinion));
    found.extend(absence(fragment));
    found.extend(bare_cell(fragment));
    if fragment.tokens.len() <= TERSE {
        found.extend(phrase(fragment, &BEHAVIOUR, Kind::State));
    }
    if !is_hedged(fragment) {
        found.extend(phrase(fragment, &READINESS, Kind::Readiness));
        found.extend(totality(fragment));
        found.extend(state(fragment));
        found.extend(figures::claims(fragment));
    }
    found.dedup_by_key(|one| one.kind);
    let mut kinds = Vec::new();
    found.retain(|one| {
        let is_new = !kinds.contains(&one.kind);
        kinds.push(one.kind);
        is_new
    });
    // A state beside a graver statement of the same sentence adds nothing.
    if found.len() > 1 {
        found.retain(|one| one.kind != Kind::State);
    }
    found
}

/// Whether the fragment explains, demands or denies rather than asserts.
pub fn is_hedged(fragment: &Fragment) -> bool {
    fragment.has(&HEDGES)
}

fn phrase(fragment: &Fragment, phrases: &[&str], kind: Kind) -> Option<Claimed> {
    phrases.iter().find_map(|phrase| {
        let (from, to) = fragment.phrase(phrase)?;
        Some(Claimed { kind, from, to })
    })
}

fn check_mark(fragment: &Fragment) -> Option<Claimed> {
    let is_mark = |word: &str| MARKS.contains(&word);
    let from = (0..fragment.tokens.len()).find(|at| {
        let boxed = fragment.word(*at) == "["
            && fragment.word(at + 1) == "x"
            && fragment.word(at + 2) == "]";
        is_mark(fragment.word(*at)) || boxed
    })?;
    let explains = ["=", "means"].contains(&fragment.word(from + 1));
    (!explains && !fragment.cites).then(|| Claimed {
        kind: Kind::CheckMark,
        from,
        to: fragment.last(),
    })
}

/// A cell of a table that is nothing but a good state.
fn bare_cell(fragment: &Fragment) -> Option<Claimed> {
    let is_reported = fragment.cell && REPORTED.contains(&fragment.word(0));
    (is_reported && fragment.tokens.len() == 1).then_some(Claimed {
        kind: Kind::State,
        from: 0,
        to: 0,
    })
}

/// "No critical errors", "zero downtime", "0 issues".
fn absence(fragment: &Fragment) -> Option<Claimed> {
    let asserts = |from: usize| {
        // "with no …", "if no …", "there must be no …" explain.
        let before = from.checked_sub(1).map_or("", |at| fragment.word(at));
        let explained = fragment.tokens[..from]
            .iter()
            .any(|one| HEDGES.contains(&&*one.word));
        !explained && !["with", "has", "have", "says"].contains(&before)
    };
    (0..fragment.tokens.len()).find_map(|from| {
        let counted = ["zero", "0"].contains(&fragment.word(from));
        if !counted && fragment.word(from) != "no" {
            return None;
        }
        let serious = SERIOUS.contains(&fragment.word(from + 1));
        let to = if serious { from + 2 } else { from + 1 };
        let is_whole = fragment.tokens.len() <= to + 1;
        let named = TROUBLES.contains(&fragment.word(to));
        let is_observed = ["in", "over", "during", "after"].contains(&fragment.word(to + 1))
            && ["minutes", "hours", "days", "weeks"].contains(&fragment.word(to + 3));
        let is_count = counted && (fragment.terse || (from == 0 && is_observed));
        let meant = named && (serious || is_count || is_whole);
        let ends = fragment.tokens.len() <= to + 3 || !fragment.has(&HEDGES);
        (meant && ends && asserts(from)).then_some(Claimed {
            kind: Kind::Totality,
            from,
            to,
        })
    })
}

/// "All containers healthy", "every check is passing".
fn totality(fragment: &Fragment) -> Option<Claimed> {
    (0..fragment.tokens.len()).find_map(|from| {
        if !["all", "every", "both", "everything"].contains(&fragment.word(from)) {
            return None;
        }
        if fragment.word(from) == "everything" {
            let to = fragment.find_behind(from, 3, is_state)?;
            return (is_degree(fragment, from, to) && is_end(fragment, to)).then_some(Claimed {
                kind: Kind::Totality,
                from,
                to,
            });
        }
        let noun = fragment.find_behind(from, 4, |word| COUNTED.contains(&word))?;
        let says = |word: &str| is_state(word) || ["work", "hold", "succeed"].contains(&word);
        let to = fragment.find_behind(noun, 4, says)?;
        (is_degree(fragment, noun, to) && is_end(fragment, to)).then_some(Claimed {
            kind: Kind::Totality,
            from,
            to,
        })
    })
}

fn is_state(word: &str) -> bool {
    STATES.contains(&word)
}

/// Whether nothing stands between two places but words that say how much.
fn is_degree(fragment: &Fragment, from: usize, to: usize) -> bool {
    fragment
        .between(from, to)
        .all(|word| DEGREES.contains(&word))
}

/// Whether the assertion ends here: the fragment does, a sign follows, or another state is joined.
fn is_end(fragment: &Fragment, at: usize) -> bool {
    let next = fragment.word(at + 1);
    let joins = ["and", "&", "/"].contains(&next) && is_state(fragment.word(at + 2));
    next.is_empty()
        || joins
        || [".", ",", "!", ")", "(", ";", "—", "–"].contains(&next)
        || MARKS.contains(&next)
        || next == "during"
        || (fragment
            .phrase("across all")
            .is_some_and(|(from, _)| from == at + 1))
}

/// "Circuit breaker active", "JWT: configured and working", "V.7 passed".
fn state(fragment: &Fragment) -> Option<Claimed> {
    labelled(fragment)
        .or_else(|| staged(fragment))
        .or_else(|| part(fragment))
        .or_else(|| everywhere(fragment))
        .or_else(|| outcome(fragment))
}

/// A label of a few words, and nothing but good states behind the colon.
fn labelled(fragment: &Fragment) -> Option<Claimed> {
    let colon = fragment.tokens.iter().position(|one| one.word == ":")?;
    let values = fragment.tokens.get(colon + 1..)?;
    let is_value = |word: &str| {
        is_state(word)
            || PARTS.contains(&word)
            || ["and", "&", ",", ".", "!", "(", ")", "/"].contains(&word)
            || DEGREES.contains(&word)
            || MARKS.contains(&word)
    };
    let label = fragment.word(colon.checked_sub(1)?);
    let is_flag = ["valid", "ready", "healthy"]
        .iter()
        .any(|word| label.contains(word));
    let is_true =
        is_flag && values.len() == 1 && ["true", "yes"].contains(&values[0].word.as_str());
    let good = values.iter().any(|one| is_state(&one.word));
    let whole = good && values.iter().all(|one| is_value(&one.word));
    (colon <= 5 && (whole || is_true)).then_some(Claimed {
        kind: Kind::State,
        from: 0,
        to: fragment.last(),
    })
}

/// "Phase 4 completed", "V.7 passed".
fn staged(fragment: &Fragment) -> Option<Claimed> {
    (0..fragment.tokens.len()).find_map(|from| {
        let named = criterion(fragment.word(from)).is_some();
        let numbered = STAGES.contains(&fragment.word(from))
            && fragment
                .word(from + 1)
                .starts_with(|one: char| one.is_ascii_digit());
        if !named && !numbered {
            return None;
        }
        let to = fragment.find_behind(from, 5, is_state)?;
        let between = fragment.between(from, to).all(|word| {
            DEGREES.contains(&word)
                || ["&", "and", ":", ","].contains(&word)
                || word.starts_with(|one: char| one.is_ascii_digit())
        });
        (between && is_end(fragment, to)).then_some(Claimed {
            kind: Kind::State,
            from,
            to,
        })
    })
}

/// A part and a good state, without a verb, or with one and nothing behind it.
fn part(fragment: &Fragment) -> Option<Claimed> {
    (0..fragment.tokens.len()).find_map(|from| {
        if !PARTS.contains(&fragment.word(from)) {
            return None;
        }
        let to = fragment.find_behind(from, 4, is_state)?;
        let mut between = fragment.between(from, to);
        let between = between.all(|word| DEGREES.contains(&word) || PARTS.contains(&word));
        let works = ["works", "working"].contains(&fragment.word(to))
            && ["over", "on", "with", "via"].contains(&fragment.word(to + 1))
            && fragment.tokens.len() <= to + 7
            && from <= 2;
        let opens = from <= 3;
        let asserted = is_end(fragment, to) && opens && is_assertion(fragment, (from, to));
        (between && (asserted || works)).then_some(Claimed {
            kind: Kind::State,
            from,
            to,
        })
    })
}

/// Status prose has no article and no verb, or says how much; explanations have both.
fn is_assertion(fragment: &Fragment, (from, to): (usize, usize)) -> bool {
    let has_article = fragment.tokens[..from]
        .iter()
        .any(|one| ["a", "an", "the", "its", "this", "each", "no"].contains(&one.word.as_str()));
    let verbs = ["is", "are", "been", "has", "have"];
    let between = || fragment.between(from, to);
    let has_verb = between().any(|word| verbs.contains(&word));
    let degree = between().any(|word| DEGREES.contains(&word) && !verbs.contains(&word));
    let perfect = between().any(|word| word == "been");
    degree
        || perfect
        || (!has_article && !has_verb)
        || (!has_article && fragment.tokens.len() <= to + 2)
}

/// "The stress script passed", "The finding on old tokens is resolved".
fn outcome(fragment: &Fragment) -> Option<Claimed> {
    const GOOD: [&str; 5] = ["passed", "succeeded", "resolved", "fixed", "closed"];
    let from = (0..fragment.tokens.len().min(5)).find(|at| TRIED.contains(&fragment.word(*at)))?;
    let to = fragment.find_behind(from, 7, |word| GOOD.contains(&word))?;
    let told = fragment.tokens.len() <= TERSE && is_end(fragment, to);
    told.then_some(Claimed {
        kind: Kind::State,
        from,
        to,
    })
}

/// "Correlation ids across all operations".
fn everywhere(fragment: &Fragment) -> Option<Claimed> {
    let (from, to) = fragment.phrase("across all")?;
    let before = from.checked_sub(1).map_or("", |at| fragment.word(at));
    (from <= 4 && (PARTS.contains(&before) || is_state(before)) && fragment.tokens.len() <= to + 6)
        .then_some(Claimed {
            kind: Kind::State,
            from: 0,
            to: to + 1,
        })
}
