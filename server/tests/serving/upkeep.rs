//! What becomes of stored files in time: retention, caches, orphans, and what a crash leaves.

use serde_json::{Value, json};

use super::process::{Server, wait_for};
use super::providers::result;
use super::shelf::Shelf;

fn ask(server: &Server, fact: &str) -> Value {
    let text = format!("FACT {fact} is here\n{}", "filler words\n".repeat(6000));
    let file = json!({"name": "a.txt", "content": text});
    let arguments = json!({"file_path": file, "question": "which?", "provider": "kimi"});
    result(server, "smart_file_query", arguments)
}

fn manage(server: &Server, operation: &str, is_dry: bool) -> Value {
    let arguments = json!({"operation": operation, "dry_run": is_dry, "confirm": operation});
    let answer = result(server, "kimi_manage_files", arguments);
    assert_ne!(answer["isError"], true, "{answer}");
    answer["structuredContent"].clone()
}

fn has_audit(server: &Server, action: &str) -> bool {
    let text = std::fs::read_to_string(server.state.path().join("audit.jsonl")).unwrap_or_default();
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.any(|line| line["action"] == action)
}

fn wait_for_audit(server: &Server, action: &str) {
    wait_for(action, || has_audit(server, action).then_some(()));
}

#[test]
fn an_unused_file_expires_here_and_at_the_provider() {
    let shelf = Shelf::start();
    let server = shelf.serve(&["files.retention=1s", "files.sweep=100ms"]);
    let answer = ask(&server, "wren");
    assert_eq!(answer["content"][0]["text"], "wren", "{answer}");
    wait_for("the provider's copy to go", || {
        shelf.kept().is_empty().then_some(())
    });
    for action in [
        "files/stored",
        "files/copied",
        "files/expired",
        "files/uncopied",
    ] {
        wait_for_audit(&server, action);
    }
    wait_for_audit(&server, "files/removed");
    let id = answer["_meta"]["dev.exai/reply"]["file"]["uri"].clone();
    let gone = result(&server, "smart_file_download", json!({"file_id": id}));
    assert_eq!(
        gone["structuredContent"]["error"]["code"], "file_not_found",
        "{gone}"
    );
}

#[test]
fn a_cached_content_goes_and_is_fetched_again_when_it_is_wanted() {
    let shelf = Shelf::start();
    let server = shelf.serve(&["files.cache=0s", "files.sweep=100ms"]);
    let answer = ask(&server, "finch");
    wait_for_audit(&server, "files/uncached");
    let id = answer["_meta"]["dev.exai/reply"]["file"]["uri"].clone();
    let back = result(&server, "smart_file_download", json!({"file_id": id}));
    assert_ne!(back["isError"], true, "{back}");
    wait_for_audit(&server, "files/refetched");
    assert_eq!(shelf.kept().len(), 1);
}

#[test]
fn a_dry_run_changes_nothing_and_other_people_s_files_at_the_provider_stay() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    ask(&server, "robin");
    let own = shelf.kept()[0].clone();
    let name = shelf.name_of(&own);
    let foreign = shelf.plant("report.pdf", b"somebody else's");
    let other = name.replacen("exai-", "exai-0", 1);
    let other_store = shelf.plant(&other, b"another server's");
    let orphan_name = name.replace(&name[18..], &format!("{}.txt", "0".repeat(64)));
    let orphan = shelf.plant(&orphan_name, b"nothing points at it");
    assert_eq!(manage(&server, "cleanup_orphaned", true)["orphaned"], 1);
    assert_eq!(manage(&server, "cleanup_all", true)["deleted"], 2);
    assert_eq!(manage(&server, "cleanup_expired", true)["expired"], 0);
    assert_eq!((shelf.deletions(), shelf.kept().len()), (0, 4));
    let swept = manage(&server, "cleanup_orphaned", false);
    assert_eq!(swept["orphaned"], 1, "{swept}");
    assert!(!shelf.kept().contains(&orphan));
    wait_for_audit(&server, "files/orphan");
    let all = manage(&server, "cleanup_all", false);
    assert_eq!(all["file_ids"], json!([own]), "{all}");
    let mut left = shelf.kept();
    left.sort();
    let mut wanted = vec![foreign, other_store];
    wanted.sort();
    assert_eq!(left, wanted);
    // The content is still here, and goes there again when it is asked about.
    assert_eq!(ask(&server, "robin")["content"][0]["text"], "robin");
    assert_eq!(shelf.uploads(), 2);
}

#[test]
fn an_upload_cut_by_a_crash_is_taken_over_and_not_sent_again() {
    let shelf = Shelf::start();
    let mut server = shelf.serve(&[]);
    shelf.hold();
    std::thread::scope(|scope| {
        let cut = scope.spawn(|| {
            let text = format!("FACT crane is here\n{}", "filler words\n".repeat(6000));
            let file = json!({"name": "a.txt", "content": text});
            let arguments = json!({"file_path": file, "question": "which?"});
            let body = super::process::call("smart_file_query", arguments).to_string();
            let headers = super::process::call_headers("smart_file_query");
            super::process::request(server.public, "POST", "/mcp", &headers, body.as_bytes())
        });
        shelf.wait_for_uploads(1);
        server.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = cut.join();
    });
    server.child.wait().unwrap();
    shelf.release();
    let again = format!("files.dir={}", server.state.path().join("files").display());
    let second = shelf.serve(&[&again]);
    wait_for_audit(&second, "files/recovered");
    let answer = ask(&second, "crane");
    assert_eq!(answer["content"][0]["text"], "crane", "{answer}");
    assert_eq!((shelf.uploads(), shelf.kept().len()), (1, 1));
    let about = &answer["_meta"]["dev.exai/reply"]["file"]["copy"];
    assert_eq!(about["uploaded"], false, "{answer}");
}
