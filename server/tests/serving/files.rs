//! Files that callers store: once, theirs alone, checked, bounded, cleaned up. On the shipped
//! binary and a provider that keeps files.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::process::{Reply, Server, call, call_headers, request, serve, token, wait_for};
use super::providers::result;
use super::shelf::Shelf;

/// A text over the bound below which it would stand in the question.
fn large(fact: &str) -> String {
    format!("FACT {fact} of the file\n{}", "filler words\n".repeat(6000))
}

pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uri(text: &str) -> String {
    format!("exai://file/{}", sha256(text.as_bytes()))
}

fn query(server: &Server, file: Value) -> Value {
    let arguments = json!({"file_path": file, "question": "which fact?", "provider": "kimi"});
    result(server, "smart_file_query", arguments)
}

fn about(answer: &Value) -> &Value {
    &answer["_meta"]["dev.exai/reply"]["file"]
}

fn code(answer: &Value) -> &str {
    answer["structuredContent"]["error"]["code"]
        .as_str()
        .unwrap_or("none")
}

fn audit(server: &Server) -> Vec<Value> {
    let text = std::fs::read_to_string(server.state.path().join("audit.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn wait_for_audit(server: &Server, action: &str) -> Value {
    wait_for(action, || {
        let lines = audit(server);
        lines.into_iter().find(|line| line["action"] == action)
    })
}

fn as_person<'a>(tool: &'a str, bearer: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut headers = call_headers(tool);
    headers.push(("authorization", bearer));
    headers
}

fn ask_as(server: &Server, who: &str, tool: &str, arguments: Value) -> Value {
    let reply = server.post(&call(tool, arguments), &as_person(tool, who));
    reply.json()["result"].clone()
}

/// A PUT to the place of this content.
fn put(server: &Server, bytes: &[u8], headers: &[(&str, &str)]) -> Reply {
    let path = format!("/files/{}", sha256(bytes));
    request(server.public, "PUT", &path, headers, bytes)
}

#[test]
fn a_second_question_about_a_file_uploads_nothing_and_knows_its_fact() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    let text = large("albatross");
    let first = query(&server, json!({"name": "notes.txt", "content": text}));
    assert_eq!(first["content"][0]["text"], "albatross", "{first}");
    assert_eq!(about(&first)["copy"]["uploaded"], true);
    assert_eq!(about(&first)["uri"], uri(&text));
    let second = query(&server, json!(uri(&text)));
    assert_eq!(second["content"][0]["text"], "albatross", "{second}");
    assert_eq!(about(&second)["copy"]["uploaded"], false);
    assert_eq!((shelf.uploads(), shelf.chats().len()), (1, 2));
    let meta = &second["_meta"]["dev.exai/reply"];
    let next = json!({"prompt": "and again?", "continuation_id": meta["continuation_id"]});
    assert_ne!(result(&server, "chat", next)["isError"], true);
    let sent = shelf.chats().pop().unwrap();
    assert!(
        sent["messages"].to_string().contains("albatross"),
        "the thread lost the file"
    );
}

#[test]
fn a_file_goes_the_way_of_its_size_and_over_a_limit_nowhere() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[
        "files.embed_below=100",
        "files.gateway_from=1000",
        "files.kimi_bytes=2000",
        "files.glm_bytes=500",
    ]);
    let file = |bytes: usize| json!({"name": "a.txt", "content": "x".repeat(bytes)});
    let ways = [
        (99, "embed", 0),
        (100, "direct", 1),
        (999, "direct", 2),
        (1000, "gateway", 3),
    ];
    for (bytes, way, uploads) in ways {
        let answer = query(&server, file(bytes));
        assert_eq!(about(&answer)["route"], way, "{bytes}: {answer}");
        assert_eq!(shelf.uploads(), uploads, "{bytes}");
    }
    let refused = query(&server, file(2001));
    assert_eq!(code(&refused), "file_too_large", "{refused}");
    let arguments = |bytes| json!({"file_path": file(bytes), "question": "x", "provider": "glm"});
    let refused = result(&server, "smart_file_query", arguments(501));
    assert_eq!(code(&refused), "file_too_large", "{refused}");
    assert_eq!(shelf.uploads(), 3);
}

#[test]
fn two_people_share_one_upload_and_it_goes_with_the_last_of_them() {
    let shelf = Shelf::start();
    let settings = shelf.settings();
    let more: Vec<&str> = settings.iter().map(String::as_str).collect();
    let jwt = super::process::JWT
        .iter()
        .copied()
        .chain(more)
        .collect::<Vec<_>>();
    let secret = ("EXAI_JWT_SECRET", super::process::SECRET);
    let server = serve(&jwt, &[secret, ("KIMI_API_KEY", "sk-0123456789abcdef")]);
    let bearer = |name, role| format!("Bearer {}", token(name, &[role]));
    let (ada, bob) = (bearer("ada", "admin"), bearer("bob", "admin"));
    let eve = bearer("eve", "user");
    let text = large("heron");
    let file = json!({"file_path": {"name": "a.txt", "content": text}, "question": "which?"});
    for (who, references) in [(&ada, 1), (&bob, 2)] {
        let answer = ask_as(&server, who, "smart_file_query", file.clone());
        assert_eq!(about(&answer)["copy"]["references"], references, "{answer}");
    }
    assert_eq!(shelf.uploads(), 1);
    for tool in ["smart_file_query", "smart_file_download"] {
        let arguments = match tool {
            "smart_file_query" => json!({"file_path": uri(&text), "question": "x"}),
            _ => json!({"file_id": uri(&text)}),
        };
        let foreign = ask_as(&server, &eve, tool, arguments);
        assert_eq!(code(&foreign), "file_not_found", "{tool}: {foreign}");
    }
    let manage = "kimi_manage_files";
    let reply = server.post(
        &call(manage, json!({"operation": "list"})),
        &as_person(manage, &eve),
    );
    assert_eq!(reply.status, 403, "{reply:?}");
    let listed = ask_as(&server, &ada, manage, json!({"operation": "list"}));
    let file = &listed["structuredContent"]["files"][0];
    assert_eq!(
        (&file["uri"], &file["references"]),
        (&json!(uri(&text)), &json!(2)),
        "{listed}"
    );
    let delete = json!({"operation": "delete", "file_id": file["file_id"], "confirm": "delete"});
    let mut dry = delete.clone();
    dry["dry_run"] = true.into();
    ask_as(&server, &ada, manage, dry);
    let first = ask_as(&server, &ada, manage, delete.clone());
    assert_eq!(first["structuredContent"]["deleted"], false, "{first}");
    assert_eq!(shelf.deletions(), 0);
    let second = ask_as(&server, &ada, manage, delete.clone());
    assert_eq!(code(&second), "file_in_use", "{second}");
    let last = ask_as(&server, &bob, manage, delete);
    assert_eq!(last["structuredContent"]["deleted"], true, "{last}");
    assert!(shelf.kept().is_empty());
    wait_for_audit(&server, "files/removed");
}

/// A request about resources; the empty URI stands for none.
fn resource(server: &Server, method: &str, uri: &str) -> Value {
    let mut message = call("x", json!({}));
    message["method"] = method.into();
    if !uri.is_empty() {
        message["params"]["uri"] = uri.into();
    }
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
        ("mcp-name", uri),
    ];
    server.post(&message, &headers).json()
}

#[test]
fn what_is_stored_comes_back_byte_for_byte_as_text_as_a_resource_and_over_http() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    let text = "a line\n\"quoted\" ünï\n";
    let left = put(
        &server,
        text.as_bytes(),
        &[("exai-file-name", "dir%2Fa%20b.txt")],
    );
    assert_eq!(
        (left.status, &left.json()["name"]),
        (201, &json!("dir/a b.txt")),
        "{left:?}"
    );
    assert_eq!(put(&server, text.as_bytes(), &[]).status, 200);
    let answer = result(
        &server,
        "smart_file_download",
        json!({"file_id": uri(text)}),
    );
    let structured = &answer["structuredContent"];
    assert_eq!(
        (&structured["text"], &structured["sha256"]),
        (&json!(text), &json!(sha256(text.as_bytes()))),
        "{answer}"
    );
    assert!(
        answer["content"][0]["text"]
            .as_str()
            .unwrap()
            .ends_with(text)
    );
    assert_eq!(answer["content"][1]["type"], "resource_link");
    assert_eq!(answer["content"][1]["uri"], uri(text));
    let read = |uri: &str| resource(&server, "resources/read", uri);
    assert_eq!(read(&uri(text))["result"]["contents"][0]["text"], text);
    assert_eq!(read(&uri("other"))["error"]["code"], -32602);
    let listed = resource(&server, "resources/list", "");
    let named = listed["result"]["resources"].as_array().unwrap();
    let is_it = |one: &Value| one["uri"] == uri(text) && one["name"] == "dir/a b.txt";
    assert!(named.iter().any(is_it), "{listed}");
    let path = format!("/files/{}", sha256(text.as_bytes()));
    let got = request(server.public, "GET", &path, &[], b"");
    assert_eq!((got.status, got.body.as_str()), (200, text));
    let destination = json!({"file_id": uri(text), "destination": "/tmp/x"});
    let refused = result(&server, "smart_file_download", destination);
    assert_eq!(code(&refused), "destination_refused", "{refused}");
}

#[test]
fn a_damaged_file_is_mended_from_its_copy_and_never_with_other_bytes() {
    let shelf = Shelf::start();
    let server = shelf.serve(&[]);
    let text = large("stork");
    query(&server, json!({"name": "a.txt", "content": text}));
    let digest = sha256(text.as_bytes());
    let blob = server
        .state
        .path()
        .join("files/content")
        .join(&digest[..2])
        .join(&digest[2..]);
    std::fs::write(&blob, "something else").unwrap();
    shelf.spoil(Some(b"a corrupted reply"));
    let refused = result(
        &server,
        "smart_file_download",
        json!({"file_id": uri(&text)}),
    );
    assert_eq!(code(&refused), "file_damaged", "{refused}");
    let refused = query(&server, json!(uri(&text)));
    assert_eq!(code(&refused), "file_damaged", "{refused}");
    wait_for_audit(&server, "files/damaged");
    shelf.spoil(None);
    let answer = result(
        &server,
        "smart_file_download",
        json!({"file_id": uri(&text)}),
    );
    assert_ne!(answer["isError"], true, "{answer}");
    wait_for_audit(&server, "files/healed");
    assert_eq!(std::fs::read_to_string(&blob).unwrap(), text);
    std::fs::remove_file(&blob).unwrap();
    let path = format!("/files/{digest}");
    assert_eq!(request(server.public, "GET", &path, &[], b"").body, text);
    wait_for_audit(&server, "files/refetched");
}

#[test]
fn nothing_harmful_is_stored_and_every_refusal_says_why() {
    let shelf = Shelf::start();
    let server = shelf.serve(&["files.stored_bytes=200000", "files.day_files=4"]);
    let virus = [
        "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR",
        "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ];
    let virus = virus.concat();
    let cases: [(&str, &[u8], u16, &str); 6] = [
        ("a.exe", b"text", 422, "file_is_program"),
        ("a.txt", b"\x7fELF\x02\x01", 422, "file_is_program"),
        ("a.pdf", b"no pdf", 422, "file_type_mismatch"),
        ("a.txt", virus.as_bytes(), 422, "file_infected"),
        ("a.txt", b"", 422, "file_empty"),
        ("a.bin2", b"\x00\x01\x02", 422, "file_type_refused"),
    ];
    for (name, bytes, status, wanted) in cases {
        let refused = put(&server, bytes, &[("exai-file-name", name)]);
        let said = refused.json()["error"]["data"]["code"].clone();
        assert_eq!((refused.status, said), (status, json!(wanted)), "{name}");
    }
    let incoming = server.state.path().join("files/incoming");
    assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0);
    assert_eq!(shelf.uploads(), 0);
}

#[test]
fn what_goes_over_a_bound_is_not_stored() {
    let shelf = Shelf::start();
    let server = shelf.serve(&["files.stored_bytes=200000", "files.day_files=4"]);
    let big = vec![b'x'; 200_001];
    assert_eq!(put(&server, &big, &[]).status, 413);
    let chunked = b"30d41\r\n"
        .iter()
        .chain(&big)
        .copied()
        .chain(*b"\r\n0\r\n\r\n");
    let path = format!("/files/{}", sha256(&big));
    let coding = [("transfer-encoding", "chunked")];
    let chunked: Vec<u8> = chunked.collect();
    assert_eq!(
        request(server.public, "PUT", &path, &coding, &chunked).status,
        413
    );
    let other = request(server.public, "PUT", &path, &[], b"other bytes");
    assert_eq!(
        other.json()["error"]["data"]["code"],
        "file_digest",
        "{other:?}"
    );
    for (path, status) in [("/files/..%2f..%2fetc%2fpasswd", 400), ("/files/ABC", 400)] {
        assert_eq!(
            request(server.public, "PUT", path, &[], b"x").status,
            status,
            "{path}"
        );
    }
    for n in 0..4 {
        assert_eq!(
            put(&server, format!("file {n}").as_bytes(), &[]).status,
            201
        );
    }
    let refused = put(&server, b"file 5", &[]);
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.json()["error"]["data"]["code"], "file_quota");
    let incoming = server.state.path().join("files/incoming");
    assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0);
    assert_eq!(shelf.uploads(), 0);
}

#[test]
fn nobody_leaves_or_fetches_files_without_a_token_or_another_s() {
    let server = super::process::serve_jwt(&[]);
    let bearer = |name| format!("Bearer {}", token(name, &["user"]));
    let (ada, eve) = (bearer("ada"), bearer("eve"));
    let text = b"mine alone";
    assert_eq!(put(&server, text, &[]).status, 401);
    assert_eq!(put(&server, text, &[("authorization", &ada)]).status, 201);
    let path = format!("/files/{}", sha256(text));
    for (who, status) in [(&ada, 200), (&eve, 404)] {
        for method in ["GET", "HEAD"] {
            let reply = request(server.public, method, &path, &[("authorization", who)], b"");
            assert_eq!(reply.status, status, "{method}");
        }
    }
    let foreign = [
        ("authorization", ada.as_str()),
        ("origin", "http://evil.example"),
    ];
    assert_eq!(
        request(server.public, "GET", &path, &foreign, b"").status,
        403
    );
    let scraper = format!("Bearer {}", token("scraper", &["metrics"]));
    assert_eq!(
        put(&server, text, &[("authorization", &scraper)]).status,
        403
    );
}
