//! `verify gate`: does the evidence on record carry a claim about this build, here and now?

mod about;
mod screen;

use std::collections::{BTreeMap, BTreeSet};

use exai_harness::evidence::ledger::{Checkpoint, Entry, Told as Line};
use exai_harness::gate::runtime::{self, Instance};
use exai_harness::gate::{Register, Shelf, Shown};
use exai_judge::claim::{Claim, IdentityLevel};
use exai_judge::gate::{Answer, Exhibit, Question, answer};
use exai_judge::refusal::{Refusal, Why};
use exai_judge::verdict::Exit;
use exai_judge::{Finding, Verdict};

use super::arguments::evidence::GateArguments;
use super::{Ending, print, trust};
use crate::catalogue;
use crate::facts::sha256_of;
use crate::rules::Catalogue;
use crate::target::book;

/// Everything the screen shows beside the answer itself.
pub struct Told {
    /// The claim's statement for people.
    pub text: String,
    /// SHA-256 (hex) of the server it is about; empty when nothing is on record.
    pub server: String,
    /// The running instances, by their own word.
    pub instances: BTreeMap<String, Instance>,
    /// Policy keys that differ between what was judged and what runs.
    pub differences: Vec<String>,
    /// Criteria whose verdict differs from the run last accepted.
    pub changed: Vec<String>,
}

/// Asks and prints; the exit code is the answer's.
///
/// # Errors
/// The user's mistakes, and evidence that is refused.
pub fn gate(arguments: &GateArguments) -> Result<Exit, Ending> {
    let (catalogue, claim) = Catalogue::under(&arguments.claim)?;
    let trusted = trust::trust(&arguments.trust)?;
    let now = trust::now(&arguments.trust)?;
    let reports = about::reports(arguments)?;
    let register = Register::read(&reports).map_err(Ending::Usage)?;
    let instances = about::instances(arguments)?;
    let (answer, told) = trust::with_rules(&catalogue, |rules| {
        let shelf = Shelf::at(&reports, rules, &trusted, now);
        Gate {
            arguments,
            claim: &claim,
            shelf: &shelf,
            register: &register,
            instances,
        }
        .ask()
    })?;
    let at = now.as_second();
    if arguments.trust.json {
        print(&screen::json(&answer, &told, at).to_string());
    } else {
        screen::lines(&answer, &told, at)
            .iter()
            .for_each(|line| print(line));
    }
    Ok(answer.exit)
}

struct Gate<'a> {
    arguments: &'a GateArguments,
    claim: &'a Claim,
    shelf: &'a Shelf<'a>,
    register: &'a Register,
    instances: BTreeMap<String, Instance>,
}

impl Gate<'_> {
    fn ask(self) -> Result<(Answer, Told), Ending> {
        let kept = self.kept()?;
        let entries = self.shelf.entries(kept.as_ref())?;
        let mut shown = self.shelf.by_ledger(&entries);
        let only = self.only_run(&entries, &mut shown)?;
        let server = self.server(&shown, only.as_deref())?;
        if self.claim.id == book::CLAIM && server.is_empty() && !shown.exhibits.is_empty() {
            let says = "nothing on record names the build that ran; a server behind a URL cannot \
                        be identified, one that target.toml starts over stdio can";
            return Err(Refusal::new(Why::ForeignIdentity, says).into());
        }
        let identity = self.identity(&server)?;
        let mut policies: BTreeSet<&str> = BTreeSet::new();
        policies.extend(
            self.instances
                .values()
                .map(|one| one.policy_digest.as_str()),
        );
        if policies.len() > 1 {
            return Err(self.mixed("policies"));
        }
        let claims = catalogue::claims()?;
        let question = Question {
            claim: self.claim,
            server: &server,
            policy: policies.first().copied(),
            now: self.shelf.now.as_second(),
            identity,
            has_checkpoint: kept.is_some(),
            waivers: &self.register.waivers,
            never_waived: &claims.never_waived,
            accepts_waivers: self.arguments.accept_waivers,
            decisions: &shown.decisions,
            selftests: &shown.selftests,
        };
        let mut seen = BTreeSet::new();
        let mut answer = loop {
            let answer = answer(&question, &shown.exhibits);
            // A record that turns out to carry less may bring another to the front.
            if !self.look_into(&answer, &entries, (&mut seen, &mut shown.exhibits))? {
                break answer;
            }
        };
        answer.notes.extend(shown.notes);
        self.keep()?;
        let differences = self.differences(&shown.exhibits, &server);
        answer.reasons.extend(differences.iter().cloned());
        let told = Told {
            text: self.claim.text.clone(),
            changed: self.changed(&entries, &answer),
            instances: self.instances,
            differences,
            server,
        };
        Ok((answer, told))
    }

    fn kept(&self) -> Result<Option<Checkpoint>, Ending> {
        let Some(path) = &self.arguments.checkpoint else {
            return Ok(None);
        };
        Checkpoint::read(path)
            .map_err(|error| Refusal::new(Why::Checkpoint, error.to_string()).into())
    }

    /// What was seen is remembered: the next answer refuses a ledger that has lost it.
    fn keep(&self) -> Result<(), Ending> {
        let Some(path) = &self.arguments.checkpoint else {
            return Ok(());
        };
        let ledger = exai_harness::evidence::ledger::Ledger::at(&self.shelf.reports.join("ledger"));
        let kept = ledger.checkpoint().and_then(|now| now.write(path));
        kept.map_err(|error| Ending::Harness(error.to_string()))
    }

    /// With `--run`, passes of other runs do not count; their failures do.
    fn only_run(
        &self,
        entries: &BTreeMap<String, Entry>,
        shown: &mut Shown,
    ) -> Result<Option<String>, Ending> {
        let Some(run) = &self.arguments.run else {
            return Ok(None);
        };
        let name = run
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_known = shown.exhibits.iter().any(|one| one.run == name);
        if !is_known && !self.shelf.reports.join("runs").join(&name).is_dir() {
            return Err(Ending::Usage(format!(
                "there is no record of {name} under {}. A record elsewhere is read with --reports.",
                self.shelf.reports.display()
            )));
        }
        let exhibit = self.shelf.look_into(&name, self.claim, entries)?;
        if !is_known {
            shown.notes.push(format!("the ledger does not know {name}"));
        }
        shown.exhibits.retain(|one| one.run != name);
        for other in &mut shown.exhibits {
            other
                .findings
                .retain(|finding| finding.verdict == Verdict::Fail);
        }
        shown.exhibits.push(exhibit);
        Ok(Some(name))
    }

    /// The build the question is about: what was named, what runs, or what was judged last.
    fn server(&self, shown: &Shown, only: Option<&str>) -> Result<String, Ending> {
        if let Some(path) = &self.arguments.server {
            if !path.is_file() {
                let says = format!("--server {}: there is no such file.", path.display());
                return Err(Ending::Usage(says));
            }
            return Ok(sha256_of(path));
        }
        let builds: BTreeSet<&str> = self
            .instances
            .values()
            .map(|one| one.server_sha256.as_str())
            .collect();
        if builds.len() > 1 {
            return Err(self.mixed("builds"));
        }
        if let Some(build) = builds.first() {
            return Ok((*build).to_owned());
        }
        let mut runs = shown
            .exhibits
            .iter()
            .filter(|one| only.is_none_or(|run| one.run == run));
        let first = runs.next();
        let newest = runs.fold(first, |newest, one| {
            newest
                .filter(|newest| newest.ended_at >= one.ended_at)
                .or(Some(one))
        });
        Ok(newest.map(|one| one.server.clone()).unwrap_or_default())
    }

    fn mixed(&self, what: &str) -> Ending {
        let each = self.instances.iter().map(|(id, one)| {
            format!(
                "{id} at {}: {} {}",
                one.url, one.server_sha256, one.policy_digest
            )
        });
        let each: Vec<String> = each.collect();
        let says = format!("the instances are of different {what}: {}", each.join("; "));
        Refusal::new(Why::ForeignIdentity, says).into()
    }

    /// How sure the gate is of what runs, after the proof was tried.
    fn identity(&self, server: &str) -> Result<IdentityLevel, Ending> {
        let other = self
            .instances
            .values()
            .find(|one| one.server_sha256 != server);
        if let Some(one) = other {
            let says = format!(
                "{} runs {}, asked about {server}",
                one.url, one.server_sha256
            );
            return Err(Refusal::new(Why::ForeignIdentity, says).into());
        }
        let Some(proof) = &self.arguments.runtime_proof else {
            let claimed = !self.instances.is_empty();
            return Ok(if claimed {
                IdentityLevel::Claimed
            } else {
                IdentityLevel::Evidence
            });
        };
        let pid = proof.strip_prefix("pid:").and_then(|pid| pid.parse().ok());
        let pid = pid.ok_or_else(|| {
            Ending::Usage(format!(
                "--runtime-proof {proof:?}: write pid:N, a process on this machine. An image id \
                 is no proof yet, since no driver here judges images."
            ))
        })?;
        runtime::prove(pid, &self.arguments.url, server)?;
        Ok(IdentityLevel::Observed)
    }

    /// Opens the records that the answer rests on and that were not seen yet; what the ledger says
    /// of them is not enough. Tells whether there were any.
    fn look_into(
        &self,
        answer: &Answer,
        entries: &BTreeMap<String, Entry>,
        (seen, exhibits): (&mut BTreeSet<String>, &mut [Exhibit]),
    ) -> Result<bool, Ending> {
        let rows = answer.rows.iter().filter(|row| row.refusal.is_none());
        let runs: BTreeSet<&str> = rows.filter_map(|row| row.run.as_deref()).collect();
        let ended: BTreeSet<&str> = entries
            .values()
            .filter(|entry| entry.told == Line::Outcome)
            .map(|entry| entry.run.as_str())
            .collect();
        let mut any = false;
        for exhibit in exhibits.iter_mut() {
            let run = exhibit.run.clone();
            if !runs.contains(run.as_str()) || !ended.contains(run.as_str()) || !seen.insert(run) {
                continue;
            }
            any = true;
            let is_fail = |one: &Finding| one.verdict == Verdict::Fail;
            match self.shelf.look_into(&exhibit.run, self.claim, entries) {
                Ok(looked_into) => *exhibit = looked_into,
                // A failure on the ledger stands without its record.
                Err(refusal)
                    if refusal.why == Why::Unsupported && exhibit.findings.iter().any(is_fail) =>
                {
                    exhibit.findings.retain(is_fail);
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok(any)
    }

    fn differences(&self, exhibits: &[Exhibit], server: &str) -> Vec<String> {
        let Some(instance) = self.instances.values().next() else {
            return Vec::new();
        };
        let of_server = exhibits.iter().filter(|one| one.server == server);
        let newest = of_server.max_by_key(|one| one.ended_at);
        let Some(newest) =
            newest.filter(|one| one.policy.as_deref() != Some(instance.policy_digest.as_str()))
        else {
            return Vec::new();
        };
        // The record of another policy may not have been opened: it carries nothing here.
        let opened = self
            .shelf
            .look_into(&newest.run, self.claim, &BTreeMap::new());
        let judged = opened.ok().and_then(|_| self.shelf.policy(&newest.run));
        judged.map_or_else(
            || {
                vec![format!(
                    "{} recorded no policy keys to compare with",
                    newest.run
                )]
            },
            |judged| runtime::differences(&judged, &instance.policy),
        )
    }

    /// What differs from the run last accepted, as the ledger tells it.
    fn changed(&self, entries: &BTreeMap<String, Entry>, answer: &Answer) -> Vec<String> {
        let Some(baseline) = &self.register.baseline else {
            return Vec::new();
        };
        let (run, owner) = (&baseline.run, &baseline.owner);
        if baseline.until < self.shelf.now {
            return vec![format!(
                "the baseline {run} of {owner} ended at {}",
                baseline.until
            )];
        }
        let outcome = entries
            .values()
            .find(|entry| entry.run == *run && !entry.body["verdicts"].is_null());
        let Some(outcome) = outcome else {
            return vec![format!(
                "the baseline {run} of {owner} is not in the ledger"
            )];
        };
        let rows = answer.rows.iter().filter_map(|row| {
            let was = &outcome.body["verdicts"][&row.criterion]["verdict"];
            let was: Verdict = serde_json::from_value(was.clone()).ok()?;
            (was != row.verdict).then(|| {
                format!(
                    "{} was {}, is {}",
                    row.label(),
                    was.word(),
                    row.verdict.word()
                )
            })
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests;
