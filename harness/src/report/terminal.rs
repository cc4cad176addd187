//! The final screen: one line per criterion, then the decision, what blocks, and how to repeat it.
//!
//! The decision stands last because that is where the eye is when a command returns.

use exai_judge::Verdict;

use crate::report::model::{Judged, NotTested, Report};
use crate::report::{gap, wording};

/// The width a screen is laid out for when nobody says.
pub const COLUMNS: usize = 100;
/// Narrower than this nothing fits beside anything; lines are laid out for it and left to wrap.
const COLUMNS_MIN: usize = 60;
/// How many blockers and things without a subject are named; the report has all of them.
const NAMED: usize = 8;

/// How to draw for a terminal, a file or a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether verdict words are coloured.
    pub colour: bool,
    /// Characters in a line.
    pub columns: usize,
}

impl Style {
    /// Without colour, for files and pipes.
    pub const PLAIN: Self = Self {
        colour: false,
        columns: COLUMNS,
    };

    /// What the environment asks for (no-color.org, CLICOLOR_FORCE, TERM=dumb).
    #[must_use]
    pub fn choose(
        is_terminal: bool,
        columns: Option<usize>,
        var: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let set = |name: &str| var(name).is_some_and(|value| !value.is_empty());
        let forced = var("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
        let dumb = var("TERM").is_some_and(|term| term == "dumb");
        let colour = !set("NO_COLOR") && (forced || (is_terminal && !dumb));
        Self {
            colour,
            columns: columns.unwrap_or(COLUMNS).clamp(COLUMNS_MIN, 140),
        }
    }

    /// A verdict word padded to its column, coloured if so chosen.
    #[must_use]
    pub fn verdict(self, verdict: Verdict, width: usize) -> String {
        self.paint(verdict, &format!("{:<width$}", verdict.word()))
    }

    fn paint(self, verdict: Verdict, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match verdict {
            Verdict::Pass => "32",
            Verdict::Inconclusive => "33",
            Verdict::HarnessError => "35",
            Verdict::Fail => "31",
        };
        format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
    }
}

/// The final screen, ending in a newline.
#[must_use]
pub fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    let longest = report
        .judged()
        .map(|judged| judged.title.chars().count())
        .max()
        .unwrap_or(0);
    let widths = Widths {
        id: id_width(report),
        title: longest.min(TITLE_MAX),
    };
    for judged in &report.criteria {
        out.push_str(&row(judged, widths, style));
    }
    if !report.outside_claim.is_empty() {
        out.push_str("outside the claim, does not decide\n");
    }
    for judged in &report.outside_claim {
        out.push_str(&row(judged, widths, style));
    }
    out.push('\n');
    out.push_str(&decision(report, style));
    out
}

/// The least room for a criterion's id.
const ID: usize = 6;
const WORD: usize = 13;
const TITLE_MAX: usize = 36;
const GAP: &str = "  ";

/// The columns before what was found.
#[derive(Clone, Copy)]
struct Widths {
    id: usize,
    title: usize,
}

/// Room for the longest id and a blank.
fn id_width(report: &Report) -> usize {
    let ids = report
        .judged()
        .map(|judged| judged.finding.criterion.chars().count() + 1);
    ids.max().unwrap_or(ID).max(ID)
}

/// `V.4   Fail          storage stable under stress   1 of 1 933 lost (0 allowed)`
fn row(judged: &Judged, widths: Widths, style: Style) -> String {
    let finding = &judged.finding;
    let (id, title_width) = (widths.id, widths.title);
    let lead = id + WORD + 1;
    let room = style.columns.saturating_sub(lead + title_width + GAP.len());
    let said = one_line(&finding.headline);
    let verdict = style.verdict(finding.verdict, WORD);
    let mut out = format!("{:<id$}{verdict} ", one_line(&finding.criterion));
    let title = one_line(&judged.title);
    if room < 24 {
        out.push_str(&format!("{title}\n"));
        push_wrapped(&mut out, &said, id, style.columns);
        return out;
    }
    let titles = wrap(&title, title_width);
    let saids = wrap(&said, room);
    for index in 0..titles.len().max(saids.len()) {
        let title = titles.get(index).map_or("", String::as_str);
        let said = saids.get(index).map_or("", String::as_str);
        if index > 0 {
            out.push_str(&" ".repeat(lead));
        }
        out.push_str(format!("{title:<title_width$}{GAP}{said}").trim_end());
        out.push('\n');
    }
    out
}

fn decision(report: &Report, style: Style) -> String {
    let verdict = report.claim.verdict;
    let mut out = format!("{}\n", style.paint(verdict, &report.opening.heading));
    for blocker in report.blockers.iter().take(NAMED) {
        let word = blocker.verdict.word();
        let mut said = format!("{} {word}: {}", blocker.criterion, blocker.says);
        if !blocker.reasons.is_empty() {
            said.push_str(&format!(" [{}]", wording::reasons(&blocker.reasons)));
        }
        if blocker.more > 0 {
            said.push_str(&format!(" (and {} more)", blocker.more));
        }
        labelled(&mut out, "blocks", &said, style);
    }
    more(&mut out, report.blockers.len(), style);
    untested(&mut out, &report.not_tested, style);
    for absent in report.not_applicable.iter().take(NAMED) {
        let said = format!("{} {}", absent.criterion, absent.what);
        labelled(&mut out, "no subject", said.trim(), style);
    }
    more(&mut out, report.not_applicable.len(), style);
    for line in &report.opening.lines {
        labelled(&mut out, &line.label.to_lowercase(), &line.text, style);
    }
    labelled(&mut out, "repeat", &report.run.replay, style);
    labelled(&mut out, "report", &report.run.page(), style);
    labelled(&mut out, "record", &report.run.folder, style);
    let code = report.claim.exit_code;
    labelled(&mut out, "exit", &code.to_string(), style);
    out
}

fn untested(out: &mut String, gaps: &[NotTested], style: Style) {
    let lines = gap::lines(gaps);
    for line in &lines {
        let said = format!("{} {}", line.criterion, line.says);
        labelled(out, "untested", said.trim(), style);
    }
    if lines.len() < gaps.len() {
        let said = format!("each of the {} stands in the report", gaps.len());
        labelled(out, "", &said, style);
    }
}

fn more(out: &mut String, count: usize, style: Style) {
    if count > NAMED {
        labelled(
            out,
            "",
            &format!("and {} more in the report", count - NAMED),
            style,
        );
    }
}

const LABEL: usize = 11;

/// `repeat     cargo verify run --seed 7`; commands are never broken across lines.
fn labelled(out: &mut String, label: &str, text: &str, style: Style) {
    out.push_str(&format!("{label:<LABEL$}"));
    let text = one_line(text);
    if label == "repeat" || label == "report" {
        out.push_str(&text);
        out.push('\n');
        return;
    }
    let lines = wrap(&text, style.columns - LABEL);
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push_str(&" ".repeat(LABEL));
        }
        out.push_str(line);
        out.push('\n');
    }
}

fn push_wrapped(out: &mut String, text: &str, indent: usize, columns: usize) {
    for line in wrap(text, columns - indent) {
        out.push_str(&" ".repeat(indent));
        out.push_str(&line);
        out.push('\n');
    }
}

/// Text from a server may hold anything; a control character must not reach a terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// Lines of at most `width` characters, at least one. Broken at blanks, but never between a number
/// and its unit, its comparison sign or the rest of its digits.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in wording::unbroken(text) {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(&word);
            used += length;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_terminal_and_the_environment() {
        let style = |terminal, name: &'static str, value: &'static str| {
            let var = move |asked: &str| (asked == name).then(|| value.to_owned());
            Style::choose(terminal, None, var).colour
        };
        assert!(style(true, "", ""));
        assert!(!style(false, "", ""));
        assert!(!style(true, "NO_COLOR", "1"));
        assert!(!style(true, "TERM", "dumb"));
        assert!(style(false, "CLICOLOR_FORCE", "1"));
        assert!(!style(false, "CLICOLOR_FORCE", "0"));
    }

    #[test]
    fn words_are_never_cut() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(
            wrap("max 1.30 s (< 14 400 s) ok", 12),
            ["max 1.30 s", "(< 14 400 s)", "ok"]
        );
    }
}
