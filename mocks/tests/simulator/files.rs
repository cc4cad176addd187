//! Kimi's files over a real socket.

use exai_mocks::plan::Plan;
use exai_mocks::provider::Provider;
use serde_json::Value;

use crate::rig::*;

fn form(bytes: &str) -> String {
    format!(
        "--B\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nfile-extract\r\n--B\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{bytes}\r\n\
         --B--\r\n"
    )
}

#[tokio::test]
async fn files_need_a_key_and_are_counted_and_other_vendors_have_none() {
    let rig = Rig::start(Provider::Kimi, Plan::default()).await;
    let files = format!("{}/files", rig.base);
    let upload = |url: &str| {
        client()
            .post(url)
            .header("content-type", "multipart/form-data; boundary=B")
            .body(form("text"))
    };
    assert_eq!(upload(&files).send().await.unwrap().status(), 401);
    let kept = upload(&files).bearer_auth(KIMI_KEY).send().await.unwrap();
    assert_eq!(kept.status(), 200);
    let kept: Value = kept.json().await.unwrap();
    let url = format!("{files}/{}", kept["id"].as_str().unwrap());
    let get = |url: String| client().get(url).bearer_auth(KIMI_KEY).send();
    let text = get(format!("{url}/content")).await.unwrap().text().await;
    assert_eq!(text.unwrap(), "text");
    assert_eq!(get(url.clone()).await.unwrap().status(), 200);
    let gone = client().delete(&url).bearer_auth(KIMI_KEY).send().await;
    assert_eq!(gone.unwrap().status(), 200);
    assert_eq!(get(url).await.unwrap().status(), 404);
    let counted = &rig.simulator.counters()["files"];
    assert_eq!(
        (&counted["uploads"], &counted["kept"]),
        (&1.into(), &0.into())
    );
    let rig = Rig::start(Provider::Glm, Plan::default()).await;
    let files = format!("{}/files", rig.base);
    let refused = upload(&files).bearer_auth(GLM_KEY).send().await.unwrap();
    assert_eq!(refused.status(), 500);
}
