//! The contract of `action.yml` and `deploy/ci/gitlab.yml`: what they declare, and what their one
//! script does with every exit code, run here with a `verify` that answers as told.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::place::{at, text_of};
use super::yaml;

/// A `verify` whose gate ends with the codes of a list, one a call; it notes what it was asked. Its
/// runs leave a record and end with 0, or with `RUN_ENDS` and none.
fn stand_in(folder: &Path, codes: &str) {
    let program = folder.join("verify");
    let text = format!(
        "#!/bin/sh\ncd {}\necho \"$*\" >>asked\n\
         [ \"$1\" = run ] && {{ [ -z \"$RUN_ENDS\" ] || exit $RUN_ENDS; }} \\\n\
         && mkdir -p reports/runs/r$$ && exit 0\n\
         set -- {codes}\nwas=$(grep -c ^gate asked)\nshift $((was - 1))\n\
         echo 'No-go: the first line'\necho 'Claim        a sentence'\n\
         echo 'Server       a digest'\necho 'Blocker      a reason'\nexit $1\n",
        folder.display()
    );
    std::fs::write(&program, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(program, mode).unwrap();
}

fn gate(folder: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new("bash")
        .arg(at("deploy/ci/gate.sh"))
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("VERIFY", folder.join("verify"))
        .env("GITHUB_OUTPUT", folder.join("outputs"))
        .env("GITHUB_STEP_SUMMARY", folder.join("summary"))
        .env("GITHUB_ACTIONS", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn every_exit_code_of_the_gate_reaches_the_job_as_it_is_configured() {
    let cases = [
        ("0", "fail", 0, "carried", 1),
        ("1 0", "again-once", 1, "not carried", 1),
        ("2 0", "again-once", 0, "carried", 2),
        ("2 2 0", "again-once", 2, "inconclusive", 2),
        ("2", "neutral", 0, "inconclusive", 1),
        ("2 0", "fail", 2, "inconclusive", 1),
        ("5 0", "again-once", 5, "refused", 1),
        ("6", "neutral", 6, "overridden", 1),
    ];
    for (codes, when, code, verdict, asked) in cases {
        let folder = tempfile::tempdir().unwrap();
        stand_in(folder.path(), codes);
        let output = gate(folder.path(), &[("ON_INCONCLUSIVE", when)]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{codes} {when}: {output:?}"
        );
        let read =
            |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let outputs = read("outputs");
        assert!(
            outputs.contains(&format!("verdict={verdict}\n")),
            "{outputs}"
        );
        assert!(outputs.contains("run-dir=reports/runs/r"), "{outputs}");
        assert_eq!(
            read("asked")
                .lines()
                .filter(|line| line.starts_with("gate"))
                .count(),
            asked
        );
        assert!(read("summary").contains("No-go: the first line"));
        let said = String::from_utf8(output.stdout).unwrap();
        let errors: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("::error::"))
            .collect();
        let wanted = [
            "::error::No-go: the first line",
            "::error::Blocker      a reason",
        ];
        assert!(errors == wanted || verdict == "carried", "{said}");
    }
}

#[test]
fn a_run_that_left_no_record_is_never_answered_by_an_older_one() {
    for (ends, code) in [("3", 3), ("101", 101), ("0", 3)] {
        let folder = tempfile::tempdir().unwrap();
        stand_in(folder.path(), "0");
        std::fs::create_dir_all(folder.path().join("reports/runs/of-another-build")).unwrap();
        std::fs::write(folder.path().join("reports/gate.txt"), "Go: old").unwrap();
        let output = gate(folder.path(), &[("RUN_ENDS", ends)]);
        assert_eq!(output.status.code(), Some(code), "{ends}: {output:?}");
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert!(!asked.contains("gate"), "{asked}");
        let outputs = std::fs::read_to_string(folder.path().join("outputs")).unwrap();
        assert!(outputs.contains("run-dir=\n"), "{outputs}");
        assert!(!folder.path().join("summary").exists(), "an old answer");
    }
}

#[test]
fn only_what_a_run_left_open_is_run_once_more_and_both_attempts_count() {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "2 0");
    let output = gate(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!(asked.len(), 4, "{asked:?}");
    let first = asked[1]
        .split(' ')
        .skip_while(|word| *word != "--run")
        .nth(1);
    assert!(asked[0].starts_with("run --profile quick --claim merge-ready"));
    let again = format!("run --again {}", first.unwrap());
    assert!(asked[2].starts_with(&again), "{asked:?}");
    assert!(!asked[3].contains("--run"), "one of two alone: {asked:?}");
}

#[test]
fn a_run_that_is_given_is_never_made_again_and_a_wrong_word_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "2 0");
    let given = gate(folder.path(), &[("RUN", "reports/runs/mine")]);
    assert_eq!(given.status.code(), Some(2));
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert!(
        !asked.contains("run --profile") && asked.contains("--run reports/runs/mine"),
        "{asked}"
    );
    let wrong = gate(folder.path(), &[("ON_INCONCLUSIVE", "pass")]);
    assert_eq!(wrong.status.code(), Some(64));
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn both_contracts_are_documented_keep_what_was_written_and_set_what_the_script_reads() {
    let action = yaml::read(&text_of("action.yml")).unwrap();
    assert_eq!(action["runs"]["using"], "composite");
    for kind in ["inputs", "outputs"] {
        for (name, one) in action[kind].as_object().unwrap() {
            assert!(
                one["description"]
                    .as_str()
                    .is_some_and(|text| text.len() > 10),
                "{name}"
            );
        }
    }
    assert_eq!(
        keys(&action["outputs"]),
        ["exit-code", "run-dir", "verdict"].map(Into::into).into()
    );
    let steps = action["runs"]["steps"].as_array().unwrap();
    let keeps = steps
        .iter()
        .any(|step| step["if"] == "always()" && step["with"]["path"].is_string());
    assert!(keeps, "artefacts are not always kept");
    let gitlab = yaml::read_all(&text_of("deploy/ci/gitlab.yml")).unwrap();
    assert_eq!(gitlab.len(), 2, "inputs and job");
    let job = &gitlab[1]["verify-gate"];
    assert_eq!(job["artifacts"]["when"], "always");
    let set: [BTreeSet<String>; 2] = [keys(&steps[0]["env"]), keys(&job["variables"])];
    let script = text_of("deploy/ci/gate.sh");
    for name in set.iter().flatten() {
        assert!(
            script.contains(&format!("${{{name}:")),
            "the script does not read {name}"
        );
    }
    let inputs = keys(&gitlab[0]["spec"]["inputs"]);
    for name in &inputs {
        let used = text_of("deploy/ci/gitlab.yml").contains(&format!("inputs.{name} ]]"));
        assert!(used, "{name} is declared and not used");
    }
}

#[test]
fn the_commit_hook_names_a_command_that_verify_has() {
    let hooks = yaml::read(&text_of(".pre-commit-hooks.yaml")).unwrap();
    let hook = &hooks[0];
    assert_eq!(hook["id"], "claims-lint");
    assert_eq!(hook["entry"], "verify claims lint");
    assert!(text_of("scenarios/src/cli/arguments/evidence.rs").contains("Lint"));
}

/// A text in which each name between the marks is replaced by its value.
fn filled(text: &str, [open, close]: [&str; 2], value: impl Fn(&str) -> String) -> String {
    let mut pieces = text.split(open);
    let mut whole = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once(close).unwrap_or_else(|| panic!("{text}"));
        whole.push_str(&value(name.trim()));
        whole.push_str(rest);
    }
    whole
}

fn plain(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string())
}

/// Runs one step's lines as a runner would, with nothing but its own variables.
fn runs(folder: &Path, lines: &str, variables: &[(String, String)]) -> Output {
    Command::new("bash")
        .args(["-e", "-c", lines])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("GITHUB_ACTION_PATH", at("."))
        .env("GITHUB_OUTPUT", folder.join("outputs"))
        .envs(variables.iter().cloned())
        .output()
        .unwrap()
}

#[test]
fn the_github_example_runs_here_by_its_action_and_hands_the_verdict_on() {
    let example = yaml::read(&text_of("deploy/ci/github-example.yml")).unwrap();
    let action = yaml::read(&text_of("action.yml")).unwrap();
    let steps = example["jobs"]["gate"]["steps"].as_array().unwrap();
    let gate = steps.iter().find(|step| step["id"] == "gate").unwrap();
    assert_eq!(gate["uses"], "./");
    let given = gate["with"].as_object().unwrap();
    for name in given.keys() {
        assert!(action["inputs"][name].is_object(), "{name} is no input");
    }
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "2 0");
    let input = |name: &str| match name {
        "verify" => folder.path().join("verify").display().to_string(),
        name => plain(
            given
                .get(name)
                .unwrap_or(&action["inputs"][name]["default"]),
        ),
    };
    let step = &action["runs"]["steps"][0];
    let marks = ["${{", "}}"];
    let own = step["env"].as_object().unwrap().iter().map(|(name, text)| {
        let of = |path: &str| input(path.strip_prefix("inputs.").unwrap());
        (name.clone(), filled(text.as_str().unwrap(), marks, of))
    });
    let own: Vec<(String, String)> = own.collect();
    let output = runs(folder.path(), step["run"].as_str().unwrap(), &own);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let outputs = std::fs::read_to_string(folder.path().join("outputs")).unwrap();
    let last = steps.last().unwrap();
    assert_eq!(last["if"], "always()");
    let told = last["env"].as_object().unwrap().iter().map(|(name, text)| {
        let of = |path: &str| {
            let name = path.strip_prefix("steps.gate.outputs.").unwrap();
            assert!(action["outputs"][name].is_object(), "{name} is no output");
            let line = outputs
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}=")));
            line.unwrap().to_owned()
        };
        (name.clone(), filled(text.as_str().unwrap(), marks, of))
    });
    let told: Vec<(String, String)> = told.collect();
    let output = runs(folder.path(), last["run"].as_str().unwrap(), &told);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "the gate says carried, exit code 0\n");
}

#[test]
fn the_gitlab_example_runs_here_and_an_open_question_is_a_warning() {
    let example = yaml::read(&text_of("deploy/ci/gitlab-example.yml")).unwrap();
    let template = yaml::read_all(&text_of("deploy/ci/gitlab.yml")).unwrap();
    let (declared, job) = (&template[0]["spec"]["inputs"], &template[1]["verify-gate"]);
    let include = &example["include"][0];
    assert_eq!(include["local"], "deploy/ci/gitlab.yml");
    let given = include["inputs"].as_object().unwrap();
    for (name, value) in given {
        let options = declared[name]["options"].as_array();
        let is_one = options.is_none_or(|options| options.contains(value));
        assert!(declared[name].is_object() && is_one, "{name}: {value}");
    }
    let forgiven = &example["verify-gate"]["allow_failure"]["exit_codes"][0];
    for (codes, code) in [("0", 0), ("2", 2), ("1", 1)] {
        let folder = tempfile::tempdir().unwrap();
        stand_in(folder.path(), codes);
        let input = |name: &str| match name {
            "verify" => folder.path().join("verify").display().to_string(),
            "script" => at("deploy/ci/gate.sh").display().to_string(),
            name => plain(given.get(name).unwrap_or(&declared[name]["default"])),
        };
        let marks = ["$[[", "]]"];
        let of = |path: &str| input(path.strip_prefix("inputs.").unwrap());
        let variables = job["variables"].as_object().unwrap();
        let variables = variables
            .iter()
            .map(|(name, text)| (name.clone(), filled(&plain(text), marks, of)));
        let variables: Vec<(String, String)> = variables.collect();
        let lines = filled(job["script"][0].as_str().unwrap(), marks, of);
        let output = runs(folder.path(), &lines, &variables);
        assert_eq!(output.status.code(), Some(code), "{codes}: {output:?}");
        assert_eq!(plain(forgiven) == code.to_string(), code == 2);
    }
}
