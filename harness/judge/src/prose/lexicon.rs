//! The words: what claims readiness, which parts are spoken of, which states are good, and which
//! words show that a sentence explains, asks or demands instead.

mod words;

use super::Kind;
use super::fragment::Fragment;

pub use words::{
    BOUNDS, COUNTED, DEGREES, HEDGES, INVENTORY, PARTS, SHARES, STAGES, STATES, TRIED,
};

/// Readiness, whatever it is said of.
pub const READINESS: [&str; 50] = [
    "production ready",
    "production grade",
    "production quality",
    "enterprise grade",
    "enterprise ready",
    "battle tested",
    "battle hardened",
    "ready for prime time",
    "bulletproof",
    "rock solid",
    "bug free",
    "flawless",
    "flawlessly",
    "fully functional",
    "fully operational",
    "fully tested",
    "fully working",
    "fully resolved",
    "fully secured",
    "fully secure",
    "fully implemented",
    "fully validated",
    "fully verified",
    "fully stable",
    "fully integrated",
    "fully compliant",
    "fully fixed",
    "fully restored",
    "fully complete",
    "fully covered",
    "ready for production",
    "ready for release",
    "ready to ship",
    "ready for deployment",
    "ready for launch",
    "ready for go live",
    "release ready",
    "is merge ready",
    "merge ready as of",
    "is a release candidate",
    "go for launch",
    "green across the board",
    "mostly passing",
    "nearly complete",
    "almost done",
    "high confidence",
    "all systems go",
    "completely stable",
    "works perfectly",
    "mission accomplished",
];

/// What is said to happen, in the words of status reports.
pub const BEHAVIOUR: [&str; 14] = [
    "trigger restarts",
    "triggers restarts",
    "continues after failure",
    "continues after failures",
    "real api calls",
    "auto recovery",
    "self healing",
    "survives any failure",
    "validated and stable",
    "tested and verified",
    "is ever lost",
    "are ever lost",
    "always succeeds",
    "always recovers",
];

/// Somebody's word in the place of evidence.
pub const OPINION: [&str; 13] = [
    "consensus achieved",
    "consensus reached",
    "unanimously approved",
    "approved by all",
    "reviewed and approved",
    "signed off by",
    "consultation id",
    "validated by experts",
    "confirmed by the model",
    "confirmed by the assistant",
    "approved for production",
    "approved for release",
    "expert validated",
];

/// Words and the criterion whose evidence could carry them.
const TOPICS: [(&str, &[&str]); 8] = [
    (
        "V.1",
        &[
            "tool",
            "tools",
            "tools/call",
            "call",
            "calls",
            "api",
            "ai",
            "functional",
            "chat",
        ],
    ),
    (
        "V.2",
        &[
            "provider",
            "providers",
            "failover",
            "fallback",
            "breaker",
            "breakers",
            "router",
            "routing",
            "workflow",
            "workflows",
            "categories",
            "consensus",
            "connectivity",
        ],
    ),
    (
        "V.3",
        &["concurrent", "concurrency", "load", "simultaneous", "users"],
    ),
    (
        "V.4",
        &[
            "database",
            "storage",
            "redis",
            "store",
            "schema",
            "cache",
            "acid",
            "migration",
        ],
    ),
    (
        "V.5",
        &[
            "container",
            "containers",
            "health",
            "restart",
            "restarts",
            "recovery",
            "healthy",
        ],
    ),
    (
        "V.6",
        &[
            "security",
            "secure",
            "secured",
            "jwt",
            "rbac",
            "auth",
            "authentication",
            "audit",
            "secrets",
            "owasp",
            "vulnerabilities",
            "limits",
            "limiting",
            "encryption",
        ],
    ),
    (
        "V.7",
        &[
            "stable",
            "stability",
            "uptime",
            "critical",
            "leak",
            "leaks",
            "downtime",
            "soak",
        ],
    ),
    (
        "V.8",
        &[
            "p50",
            "p90",
            "p95",
            "p99",
            "latency",
            "throughput",
            "performance",
            "req/s",
            "rps",
        ],
    ),
];

/// The criteria that a statement leans on: those it names, else those of its words; a word of
/// readiness leans on all.
#[must_use]
pub fn criteria(fragment: &Fragment, kind: Kind) -> Vec<String> {
    let named = fragment
        .tokens
        .iter()
        .filter_map(|one| criterion(&one.word));
    let named: Vec<String> = named.collect();
    if !named.is_empty() {
        return named;
    }
    let of_words = TOPICS.iter().filter(|(_, words)| fragment.has(words));
    let found: Vec<String> = of_words.map(|(id, _)| (*id).to_owned()).collect();
    if kind == Kind::Readiness {
        return (1..=8).map(|number| format!("V.{number}")).collect();
    }
    found
}

/// `v.7m` and `v7m` are criteria.
#[must_use]
pub fn criterion(word: &str) -> Option<String> {
    let rest = word.strip_prefix('v')?;
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let digit = rest
        .chars()
        .next()
        .filter(|one| ('1'..='8').contains(one))?;
    let tail = rest.get(1..)?;
    matches!(tail, "" | "m" | "g" | "t").then(|| format!("V.{digit}{tail}"))
}
