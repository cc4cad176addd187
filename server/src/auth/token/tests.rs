use std::collections::BTreeMap;
use std::time::Duration;

use jsonwebtoken::{Algorithm as Signature, EncodingKey};
use serde_json::json;

use super::*;
use crate::auth::mint::mint;
use crate::config::{Flag, Sources};

const SECRET: &str = "9f2c81d4e6b7a0355c1e8f7d2b4a69030c5577";
pub(super) const NOW: u64 = 1_800_000_000;

pub(super) fn config() -> Config {
    let set = |key: &str, value: &str| Flag {
        flag: "--set".into(),
        key: key.into(),
        value: value.into(),
    };
    let sources = Sources {
        environment: BTreeMap::from([("EXAI_JWT_SECRET".to_owned(), SECRET.to_owned())]),
        flags: vec![
            set("auth.mode", "jwt"),
            set("auth.jwt.issuer", "https://issuer.test"),
            set("auth.jwt.audience", "exai"),
        ],
        ..Sources::default()
    };
    Config::load(&sources).unwrap()
}

fn check() -> TokenCheck {
    of(&config())
}

fn of(config: &Config) -> TokenCheck {
    let policy = Arc::new(Policy::load("").unwrap());
    TokenCheck::new(config, policy, &Remote::default()).unwrap()
}

pub(super) fn claims() -> Value {
    json!({
        "sub": "alice", "iss": "https://issuer.test", "aud": "exai",
        "iat": NOW, "exp": NOW + 600, "jti": "1", "roles": ["user"],
    })
}

pub(super) fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn sign_text(header: &str, payload: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(header), encode(payload));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let proof = crypto::sign(signed.as_bytes(), &key, Signature::HS256).unwrap();
    format!("{signed}.{proof}")
}

fn sign(claims: &Value) -> String {
    sign_text(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

fn code(token: &str) -> &'static str {
    check()
        .check(token, NOW)
        .map_or_else(|error| error.0, |_| "accepted")
}

#[test]
fn a_good_token_names_its_subject_and_roles() {
    let alice = check().check(&sign(&claims()), NOW).unwrap();
    assert_eq!(
        (alice.name(), alice.roles()),
        ("alice", &["user".to_owned()][..])
    );
}

#[test]
fn a_minted_token_is_accepted() {
    let roles = ["admin".to_owned()];
    let bob = ("bob", Some("core"));
    let token = mint(&config(), bob, &roles, Duration::from_secs(60), NOW).unwrap();
    let bob = check().check(&token, NOW).unwrap();
    assert_eq!((bob.name(), bob.team()), ("bob", Some("core")));
    assert!(
        mint(
            &config(),
            ("bob", None),
            &roles,
            Duration::from_secs(3601),
            NOW
        )
        .is_err()
    );
}

#[test]
fn every_claim_is_required_and_exact() {
    let table = [
        ("J13", with("exp", json!(NOW - 31)), "token_expired"),
        ("J14", without("exp"), "token_times"),
        ("J15", with("exp", json!("1800000600")), "token_times"),
        ("J15", with("exp", json!(-1)), "token_times"),
        ("J15", with("exp", json!(1e308)), "token_times"),
        ("J17", with("nbf", json!(NOW + 31)), "token_not_yet"),
        ("J17", with("nbf", json!("soon")), "token_not_yet"),
        ("team", with("team", json!(["core"])), "token_team"),
        ("team", with("team", json!("")), "token_team"),
        ("team good", with("team", json!("core")), "accepted"),
        ("J17 good", with("nbf", json!(NOW - 1)), "accepted"),
        ("J18", with("iat", json!(NOW + 31)), "token_from_the_future"),
        ("J18", without("iat"), "token_times"),
        ("J19", with("exp", json!(NOW + 3601)), "token_lifetime"),
        ("J19 good", with("exp", json!(NOW + 3600)), "accepted"),
        ("J20", without("aud"), "token_audience"),
        ("J21", with("aud", json!("other")), "token_audience"),
        ("J22", with("aud", json!(["other"])), "token_audience"),
        (
            "J22 good",
            with("aud", json!(["other", "exai"])),
            "accepted",
        ),
        ("J23", without("iss"), "token_issuer"),
        (
            "J23",
            with("iss", json!("https://issuer.test/")),
            "token_issuer",
        ),
        (
            "J23",
            with("iss", json!("https://Issuer.test")),
            "token_issuer",
        ),
        ("J26", without("sub"), "token_subject"),
        ("J26", with("sub", json!("")), "token_subject"),
        ("sub", with("sub", json!("a\nb")), "token_subject"),
    ];
    for (case, claims, wanted) in table {
        assert_eq!(code(&sign(&claims)), wanted, "{case}: {claims}");
    }
}

#[test]
fn the_leeway_has_an_edge() {
    let token = |by: u64| {
        let mut claims = with("iat", json!(NOW - 600));
        claims["exp"] = json!(NOW - by);
        sign(&claims)
    };
    assert_eq!(code(&token(29)), "accepted");
    assert_eq!(code(&token(31)), "token_expired");
}

#[test]
fn a_header_may_neither_change_the_rules_nor_bring_a_key() {
    let payload = claims().to_string();
    let table = [
        (r#"{"alg":"none"}"#, "token_algorithm"),
        (r#"{"alg":"None"}"#, "token_algorithm"),
        (r#"{"alg":"hs256"}"#, "token_algorithm"),
        (r#"{"alg":"HS384"}"#, "token_algorithm"),
        (r#"{"alg":"RS256"}"#, "token_algorithm"),
        (r#"{"typ":"JWT"}"#, "token_algorithm"),
        (r#"{"alg":7}"#, "token_algorithm"),
        (r#"{"alg":"HS256","typ":"refresh+jwt"}"#, "token_kind"),
        (r#"{"alg":"HS256","crit":["exp"]}"#, "token_foreign_header"),
        (
            r#"{"alg":"HS256","jku":"http://127.0.0.1:1/"}"#,
            "token_foreign_header",
        ),
        (
            r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#,
            "token_foreign_header",
        ),
        (r#"{"alg":"HS256","x5c":["AA"]}"#, "token_foreign_header"),
        (
            r#"{"alg":"HS256","kid":"../../etc/passwd"}"#,
            "token_key_id",
        ),
        (r#"{"alg":"HS256","kid":""}"#, "token_key_id"),
        (r#"{"alg":"HS256","kid":"main"}"#, "accepted"),
        (r#"{"alg":"HS256","alg":"none"}"#, "token_json"),
        ("[]", "token_json"),
        ("nonsense", "token_json"),
    ];
    for (header, wanted) in table {
        assert_eq!(code(&sign_text(header, &payload)), wanted, "{header}");
    }
}

#[test]
fn two_of_one_claim_are_refused() {
    let payload = claims().to_string().replace("\"exp\"", "\"exp\":1,\"exp\"");
    assert_eq!(
        code(&sign_text(r#"{"alg":"HS256"}"#, &payload)),
        "token_json"
    );
}

#[test]
fn a_token_has_one_spelling_and_one_signature() {
    let good = sign(&claims());
    let (signed, proof) = good.rsplit_once('.').unwrap();
    let flipped = {
        let mut raw = URL_SAFE_NO_PAD.decode(proof).unwrap();
        raw[0] ^= 1;
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(raw))
    };
    let shorter = {
        let raw = URL_SAFE_NO_PAD.decode(proof).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&raw[..raw.len() - 1]))
    };
    let other = sign(&with("sub", json!("mallory")));
    let swapped = format!("{}.{proof}", other.rsplit_once('.').unwrap().0);
    let table = [
        (String::new(), "token_not_compact"),
        (signed.to_owned(), "token_not_compact"),
        (format!("{signed}."), "token_unsigned"),
        (format!("{good}.e.e"), "token_not_compact"),
        (flipped, "token_signature"),
        (shorter, "token_signature"),
        (swapped, "token_signature"),
        (format!("{good}="), "token_encoding"),
        (format!("{good}\n"), "token_encoding"),
        ("x".repeat(8193), "token_too_long"),
    ];
    for (token, wanted) in table {
        assert_eq!(code(&token), wanted, "{token:.60}");
    }
}

#[test]
fn roles_that_are_no_list_grant_nothing() {
    for roles in [json!("admin"), json!(null), json!([]), json!([1])] {
        let caller = check()
            .check(&sign(&with("roles", roles.clone())), NOW)
            .unwrap();
        assert!(!caller.may_call("chat"), "{roles} was granted chat");
    }
}

/// A fresh Ed25519 key: the PEM of its public half and what signs with the private one.
fn ed25519(dir: &std::path::Path) -> (String, EncodingKey) {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::engine::general_purpose::STANDARD;
    let pair = Ed25519KeyPair::generate().unwrap();
    let mut public = vec![
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    public.extend_from_slice(pair.public_key().as_ref());
    let body = STANDARD.encode(public);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    let path = dir.join("public.pem");
    std::fs::write(&path, &pem).unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    (
        path.display().to_string(),
        EncodingKey::from_ed_der(private.as_ref()),
    )
}

#[test]
fn an_eddsa_token_is_accepted_and_its_public_key_is_no_hmac_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (path, private) = ed25519(dir.path());
    let mut config = config();
    config.auth.jwt.algorithms = vec![Algorithm::EdDsa];
    config.auth.jwt.public_key_file = path.clone();
    let check = of(&config);
    let sign = |alg: &str, key: &EncodingKey, signature: Signature| {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let header = format!("{{\"alg\":\"{alg}\",\"typ\":\"JWT\"}}");
        let signed = format!("{}.{}", encode(&header), encode(&claims().to_string()));
        let proof = crypto::sign(signed.as_bytes(), key, signature).unwrap();
        format!("{signed}.{proof}")
    };
    let good = sign("EdDSA", &private, Signature::EdDSA);
    assert_eq!(check.check(&good, NOW).unwrap().name(), "alice");
    let pem = std::fs::read(path).unwrap();
    let confused = sign("HS256", &EncodingKey::from_secret(&pem), Signature::HS256);
    assert_eq!(
        check.check(&confused, NOW).unwrap_err().0,
        "token_algorithm"
    );
    let mislabelled = sign("EdDSA", &EncodingKey::from_secret(&pem), Signature::HS256);
    assert_eq!(
        check.check(&mislabelled, NOW).unwrap_err().0,
        "token_signature"
    );
}
