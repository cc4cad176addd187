//! A trace: lines `caller -> callee (file:line) note` of all steps as a call flow or a map.
//!
//! The lines are the caller's. Nothing is guessed from prose: a line that has no arrow between two
//! single names stays in the findings, which follow the drawing word by word.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::choice::{Blank, Choice, Goal};
use crate::failure::Failure;
use crate::tool::workflow::brief;
use crate::tool::workflow::state::{State, Step};

/// Edges that are drawn; more would not be read by anybody.
const MOST: usize = 1000;

/// One call or use.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    note: &'a str,
}

pub(super) fn check(step: &Step) -> Result<(), Failure> {
    if step.text("trace_mode") != Some("ask") {
        return Ok(());
    }
    let message = "Choose the trace_mode and send the step again: `precision` draws what runs in \
                   what order from an entry point; `dependencies` draws who uses the target and \
                   what it uses.";
    let choice = Choice {
        question:
            "How should the code be traced? precision: what runs in what order from an entry \
                   point. dependencies: who uses the target and what it uses."
                .to_owned(),
        blanks: vec![Blank {
            name: "trace_mode".to_owned(),
            title: "Trace mode".to_owned(),
            options: vec!["precision".to_owned(), "dependencies".to_owned()],
            is_optional: false,
        }],
        goal: Goal::Arguments,
    };
    let failure = Failure::validation("/trace_mode", message).with_code("choice_required");
    Err(failure.with_choice(choice))
}

pub(super) fn document(state: &State) -> String {
    let target = state
        .steps
        .last()
        .and_then(|step| step.text("target_description"));
    let is_flow =
        state.steps.last().and_then(|step| step.text("trace_mode")) != Some("dependencies");
    let edges = edges(state);
    let heading = if is_flow { "Call flow" } else { "Dependencies" };
    let mut out = format!("# {heading}: {}\n", target.unwrap_or_default());
    if edges.is_empty() {
        out.push_str(
            "\nNothing to draw yet: write findings as lines `caller -> callee (file:line) note`.\n",
        );
    } else if is_flow {
        flow(&mut out, &edges);
    } else {
        map(&mut out, &edges);
    }
    if edges.len() == MOST {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\nDrawn are the first {MOST} lines; the others are below.\n"
        );
    }
    out.push('\n');
    out.push_str(&brief::collected(state));
    out
}

/// The edges of all findings, each once, in order.
fn edges(state: &State) -> Vec<Edge<'_>> {
    let mut edges: Vec<Edge<'_>> = Vec::new();
    for line in state.steps.iter().flat_map(|step| step.findings.lines()) {
        for edge in edges_of(line) {
            let is_known = edges
                .iter()
                .any(|known| (known.from, known.to) == (edge.from, edge.to));
            if !is_known {
                edges.push(edge);
            }
        }
        if edges.len() >= MOST {
            edges.truncate(MOST);
            break;
        }
    }
    edges
}

/// The edges of one line; none when a caller is not a single name.
fn edges_of(line: &str) -> Vec<Edge<'_>> {
    let line = line.trim().trim_start_matches(['-', '*', '•', ' ']);
    let separator = if line.contains("->") { "->" } else { "→" };
    let parts: Vec<&str> = line.split(separator).map(str::trim).collect();
    let mut edges = Vec::new();
    for pair in parts.windows(2) {
        let ((from, said), (to, note)) = (name_and_note(pair[0]), name_and_note(pair[1]));
        // A note behind the first name of a line is prose that happens to hold an arrow.
        let is_first = edges.is_empty();
        if from.is_empty() || to.is_empty() || (is_first && !said.is_empty()) {
            return Vec::new();
        }
        edges.push(Edge { from, to, note });
    }
    edges
}

fn name_and_note(part: &str) -> (&str, &str) {
    let (name, note) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
    (name.trim_matches(['`', ',', ';']), note.trim())
}

/// Each entry point and what it leads to; a name is followed once, and a circle is named.
fn flow(out: &mut String, edges: &[Edge<'_>]) {
    let called: BTreeSet<&str> = edges.iter().map(|edge| edge.to).collect();
    let mut entries: Vec<&str> = Vec::new();
    for edge in edges {
        if !called.contains(edge.from) && !entries.contains(&edge.from) {
            entries.push(edge.from);
        }
    }
    let mut drawing = Drawing {
        edges,
        drawn: BTreeSet::new(),
        out,
    };
    for entry in entries {
        drawing.entry(entry);
    }
    // What is left is reached from nowhere but itself.
    for edge in edges {
        if !drawing.drawn.contains(edge.from) {
            drawing.entry(edge.from);
        }
    }
}

struct Drawing<'a, 'o> {
    edges: &'a [Edge<'a>],
    drawn: BTreeSet<&'a str>,
    out: &'o mut String,
}

impl<'a> Drawing<'a, '_> {
    fn entry(&mut self, name: &'a str) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "\n{name}\n");
        self.drawn.insert(name);
        // Depth first without recursion, since a line may name any number of callees.
        let mut waiting = self.below(name, 1, &[name]);
        while let Some((edge, depth, way)) = waiting.pop() {
            let indent = "  ".repeat(depth);
            let note = match (way.contains(&edge.to), self.drawn.contains(edge.to)) {
                (true, _) => " (back to the start of this circle)",
                (_, true) if self.edges.iter().any(|one| one.from == edge.to) => " (as above)",
                _ => "",
            };
            let _ = write!(self.out, "{indent}-> {}{note}", edge.to);
            if !edge.note.is_empty() {
                let _ = write!(self.out, "  {}", edge.note);
            }
            self.out.push('\n');
            if self.drawn.insert(edge.to) {
                let way = [&way[..], &[edge.to]].concat();
                waiting.extend(self.below(edge.to, depth + 1, &way));
            }
        }
    }

    /// What a name calls, the first last, so that it is taken first.
    fn below(&self, name: &str, depth: usize, way: &[&'a str]) -> Vec<Waiting<'a>> {
        let edges = self.edges;
        let own = edges.iter().filter(|edge| edge.from == name).rev();
        own.map(|edge| (edge, depth, way.to_vec())).collect()
    }
}

/// An edge still to draw, how deep it stands, and the names above it.
type Waiting<'a> = (&'a Edge<'a>, usize, Vec<&'a str>);

/// For each name what it uses and what uses it.
fn map(out: &mut String, edges: &[Edge<'_>]) {
    let mut names: Vec<&str> = Vec::new();
    for name in edges.iter().flat_map(|edge| [edge.from, edge.to]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let uses: Vec<&str> = edges
            .iter()
            .filter(|e| e.from == name)
            .map(|e| e.to)
            .collect();
        let used: Vec<&str> = edges
            .iter()
            .filter(|e| e.to == name)
            .map(|e| e.from)
            .collect();
        // Writing to a String cannot fail.
        let _ = write!(out, "\n{name}\n");
        for (heading, others) in [("uses", uses), ("used by", used)] {
            if !others.is_empty() {
                let _ = writeln!(out, "  {heading}: {}", others.join(", "));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arrows_between_names_are_edges() {
        let edge = |from, to, note| Edge { from, to, note };
        let cases = [
            (
                "- `main` -> run (main.rs:3) if ready",
                vec![edge("main", "run", "(main.rs:3) if ready")],
            ),
            ("a → b → c x", vec![edge("a", "b", ""), edge("b", "c", "x")]),
            (
                "a -> b (1) -> c",
                vec![edge("a", "b", "(1)"), edge("b", "c", "")],
            ),
            ("here we see a -> b", vec![]),
            ("a ->", vec![]),
            ("plain words", vec![]),
            ("", vec![]),
        ];
        for (line, wanted) in cases {
            assert_eq!(edges_of(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_flow_follows_calls_in_order_and_ends_in_a_circle() {
        let lines = [
            "main -> parse",
            "main -> run (m.rs:9)",
            "run -> step",
            "step -> run",
            "x -> x",
        ];
        let edges: Vec<Edge<'_>> = lines.iter().flat_map(|line| edges_of(line)).collect();
        let mut out = String::new();
        flow(&mut out, &edges);
        let wanted = "\nmain\n  -> parse\n  -> run  (m.rs:9)\n    -> step\n      -> run (back to \
                      the start of this circle)\n\nx\n  -> x (back to the start of this circle)\n";
        assert_eq!(out, wanted);
        let mut out = String::new();
        map(&mut out, &edges[..3]);
        assert!(
            out.contains("\nrun\n  uses: step\n  used by: main\n"),
            "{out}"
        );
    }

    #[test]
    fn a_graph_of_many_ways_is_drawn_once_each() {
        // Every way through such a ladder would be more lines than there are atoms.
        let lines: Vec<String> = (0..300)
            .flat_map(|n| [format!("n{n} -> n{}", n + 1), format!("n{n} -> n{}", n + 2)])
            .collect();
        let edges: Vec<Edge<'_>> = lines.iter().flat_map(|line| edges_of(line)).collect();
        let mut out = String::new();
        flow(&mut out, &edges);
        assert_eq!(out.matches("->").count(), edges.len());
    }
}
