use super::*;

fn request(method: &str, path: &str, body: &[u8]) -> Request {
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: vec![(
            "content-type".into(),
            "multipart/form-data; boundary=B".into(),
        )],
        body: body.to_vec(),
        keep_alive: true,
    }
}

fn form(purpose: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--B\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--B\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    );
    [head.as_bytes(), bytes, b"\r\n--B--\r\n"].concat()
}

fn body_of(reply: &Reply) -> Vec<u8> {
    let crate::reply::Step::Send(bytes) = &reply.steps[0] else {
        panic!("nothing is sent");
    };
    bytes[find(bytes, b"\r\n\r\n").unwrap() + 4..].to_vec()
}

fn ask(shelf: &Shelf, key: &str, request: &Request) -> (u16, Value) {
    let reply = shelf.answer(key, request, 7);
    let body = body_of(&reply);
    (
        reply.status,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

#[test]
fn a_file_is_kept_for_its_key_read_back_and_deleted_once() {
    let shelf = Shelf::default();
    let bytes = b"a line\r\n--\r\nmore";
    let upload = request("POST", PATH, &form("file-extract", "a.txt", bytes));
    let (status, told) = ask(&shelf, "one", &upload);
    assert_eq!(
        (status, &told["bytes"]),
        (200, &json!(bytes.len())),
        "{told}"
    );
    assert_eq!(
        (&told["filename"], &told["status"]),
        (&json!("a.txt"), &json!("ready"))
    );
    let path = format!("{PATH}/{}", told["id"].as_str().unwrap());
    let content = request("GET", &format!("{path}/content"), b"");
    assert_eq!(body_of(&shelf.answer("one", &content, 7)), bytes);
    assert_eq!(ask(&shelf, "two", &content).0, 404);
    assert_eq!(ask(&shelf, "two", &request("DELETE", &path, b"")).0, 404);
    let listed = |key| ask(&shelf, key, &request("GET", PATH, b"")).1["data"].clone();
    assert_eq!(listed("one").as_array().unwrap().len(), 1);
    assert_eq!(listed("two"), json!([]));
    let (status, gone) = ask(&shelf, "one", &request("DELETE", &path, b""));
    assert_eq!((status, &gone["deleted"]), (200, &json!(true)));
    assert_eq!(ask(&shelf, "one", &request("DELETE", &path, b"")).0, 404);
    assert_eq!(
        shelf.counters(),
        json!({"uploads": 1, "kept": 0, "deleted": 1})
    );
}

#[test]
fn what_the_vendor_refuses_is_refused_with_its_reason() {
    let shelf = Shelf::default();
    let whole = form("file-extract", "a.txt", b"text");
    let cut = whole[..whole.len() - 6].to_vec();
    let table = [
        (form("assistants", "a.txt", b"x"), "purpose"),
        (form("file-extract", "a.txt", b""), "empty"),
        (form("file-extract", "a.exe", b"x"), "unsupported"),
        (form("file-extract", "noname", b"x"), "unsupported"),
        (
            b"--B\r\nx: y\r\n\r\n\r\n--B--\r\n".to_vec(),
            "file is required",
        ),
        (b"{}".to_vec(), "boundary"),
        (cut, "does not end"),
    ];
    for (body, wanted) in table {
        let (status, told) = ask(&shelf, "one", &request("POST", PATH, &body));
        let said = told["error"]["message"].as_str().unwrap();
        assert_eq!(
            (status, &told["error"]["type"]),
            (400, &json!("invalid_request_error"))
        );
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let mut plain = request("POST", PATH, &whole);
    plain.headers.clear();
    assert_eq!(ask(&shelf, "one", &plain).0, 400);
    for n in 0..FILES {
        let upload = request(
            "POST",
            PATH,
            &form("file-extract", &format!("{n}.txt"), b"x"),
        );
        assert_eq!(ask(&shelf, "one", &upload).0, 200);
    }
    let (status, told) = ask(&shelf, "one", &request("POST", PATH, &whole));
    assert_eq!(status, 400, "{told}");
    assert_eq!(ask(&shelf, "two", &request("POST", PATH, &whole)).0, 200);
}
