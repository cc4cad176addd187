//! Several issuers, sets of keys, revocation and groups.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::auth::token::tests::{NOW, claims, config, with};

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A key pair: what signs, and the public half as a JWK.
struct Pair {
    sign: Sign,
    jwk: Value,
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pair(algorithm: &str, id: &str) -> Pair {
    let about = json!({"kid": id, "alg": algorithm, "use": "sig"});
    let (sign, mut jwk): (Sign, Value) = match algorithm {
        "EdDSA" => {
            let pair = Ed25519KeyPair::generate().unwrap();
            let x = base64(pair.public_key().as_ref());
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
            (Box::new(move |text| pair.sign(text).as_ref().to_vec()), jwk)
        }
        "ES256" => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let point = pair.public_key().as_ref().to_vec();
            let (x, y) = (base64(&point[1..33]), base64(&point[33..]));
            let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
            let sign = move |text: &[u8]| {
                let proof = pair.sign(&SystemRandom::new(), text).unwrap();
                proof.as_ref().to_vec()
            };
            (Box::new(sign), jwk)
        }
        _ => {
            let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
            let public = pair.public_key();
            let (n, e) = (public.modulus(), public.exponent());
            let part = |part: &[u8]| base64(part);
            let n = part(n.big_endian_without_leading_zero());
            let e = part(e.big_endian_without_leading_zero());
            let jwk = json!({"kty": "RSA", "n": n, "e": e});
            let sign = move |text: &[u8]| {
                let mut proof = vec![0; pair.public_modulus_len()];
                let padding = &aws_lc_rs::signature::RSA_PKCS1_SHA256;
                let drawn = pair.sign(padding, &SystemRandom::new(), text, &mut proof);
                drawn.unwrap();
                proof
            };
            (Box::new(sign), jwk)
        }
    };
    for (name, value) in about.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    Pair { sign, jwk }
}

impl Pair {
    fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.jwk["alg"], "kid": self.jwk["kid"], "typ": "JWT"});
        let signed = [header, claims.clone()].map(|part| base64(part.to_string().as_bytes()));
        let signed = signed.join(".");
        format!("{signed}.{}", base64(&(self.sign)(signed.as_bytes())))
    }
}

fn set(folder: &tempfile::TempDir, name: &str, keys: &[&Pair]) -> String {
    let keys: Vec<&Value> = keys.iter().map(|pair| &pair.jwk).collect();
    let path = folder.path().join(name);
    std::fs::write(&path, json!({"keys": keys}).to_string()).unwrap();
    path.display().to_string()
}

fn word(check: &TokenCheck, token: &str) -> String {
    let checked = check.check(token, NOW);
    checked.map_or_else(|error| error.0.to_owned(), |who| who.name().to_owned())
}

fn of(config: &Config) -> Result<TokenCheck, KeyError> {
    let policy = Arc::new(Policy::load("").unwrap());
    TokenCheck::new(config, policy, &Remote::default())
}

const ALL: [Algorithm; 4] = [
    Algorithm::HS256,
    Algorithm::EdDsa,
    Algorithm::ES256,
    Algorithm::RS256,
];

#[test]
fn each_algorithm_of_a_set_is_accepted_by_its_own_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = ["EdDSA", "ES256", "RS256"].map(|name| pair(name, name));
    let mut config = config();
    config.auth.jwt.algorithms = ALL.to_vec();
    config.auth.jwt.jwks = set(&folder, "keys.json", &pairs.each_ref());
    let check = of(&config).unwrap();
    for one in &pairs {
        assert_eq!(word(&check, &one.token(&claims())), "alice", "{}", one.jwk);
        let mut other = pair(one.jwk["alg"].as_str().unwrap(), "?");
        other.jwk["kid"] = one.jwk["kid"].clone();
        assert_eq!(word(&check, &other.token(&claims())), "token_signature");
        other.jwk["kid"] = json!("retired");
        assert_eq!(word(&check, &other.token(&claims())), "token_key_id");
    }
    // The public half of the RSA key as text is no secret of ours.
    let mut confused = pair("EdDSA", "RS256");
    confused.jwk["alg"] = json!("HS256");
    assert_eq!(word(&check, &confused.token(&claims())), "token_algorithm");
}

#[test]
fn an_algorithm_that_is_not_listed_is_refused_though_its_key_is_in_the_set() {
    let folder = tempfile::tempdir().unwrap();
    let (listed, other) = (pair("EdDSA", "a"), pair("ES256", "b"));
    let mut config = config();
    config.auth.jwt.algorithms = vec![Algorithm::HS256, Algorithm::EdDsa];
    config.auth.jwt.jwks = set(&folder, "keys.json", &[&listed, &other]);
    let check = of(&config).unwrap();
    assert_eq!(word(&check, &listed.token(&claims())), "alice");
    assert_eq!(word(&check, &other.token(&claims())), "token_algorithm");
}

#[test]
fn a_key_of_one_trusted_issuer_signs_nothing_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (pair("EdDSA", "a"), pair("EdDSA", "b"));
    let mut config = config();
    config.auth.jwt.algorithms = ALL.to_vec();
    config.auth.jwt.jwks = set(&folder, "ours.json", &[&ours]);
    let other = set(&folder, "theirs.json", &[&theirs]);
    config.auth.jwt.issuers = vec![format!("https://b.test={other}")];
    let check = of(&config).unwrap();
    let foreign = with("iss", json!("https://b.test"));
    assert_eq!(word(&check, &ours.token(&claims())), "alice");
    assert_eq!(
        word(&check, &theirs.token(&foreign)),
        "alice@https://b.test"
    );
    assert_eq!(word(&check, &theirs.token(&claims())), "token_key_id");
    assert_eq!(word(&check, &ours.token(&foreign)), "token_key_id");
    let feigned = with("sub", json!("alice@https://b.test"));
    assert_eq!(word(&check, &ours.token(&feigned)), "token_subject");
    let unsigned = with("sub", json!("unsigned"));
    assert_eq!(word(&check, &ours.token(&unsigned)), "token_subject");
}

#[test]
fn a_set_with_a_secret_or_without_a_use_is_refused() {
    let one = |key: Value| keys::of_set(json!({"keys": [key]}).to_string().as_bytes(), &ALL);
    let secret = json!({"kty": "oct", "k": "AAAA", "kid": "a"});
    assert_eq!(one(secret).unwrap_err(), SetError::Symmetric);
    let mut sealing = pair("EdDSA", "a").jwk;
    sealing["use"] = json!("enc");
    assert_eq!(one(sealing).unwrap_err(), SetError::Unusable);
    let short = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
    assert_eq!(one(short).unwrap_err(), SetError::Unusable);
    assert!(matches!(
        keys::of_set(b"[]", &ALL),
        Err(SetError::Unparsable(_))
    ));
}

#[test]
fn a_revoked_token_is_refused_and_its_sibling_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revoked");
    std::fs::write(&path, "lost-laptop # 2026-11-20\n\n").unwrap();
    let signer = pair("EdDSA", "a");
    let mut config = config();
    config.auth.jwt.algorithms = ALL.to_vec();
    config.auth.jwt.jwks = set(&folder, "keys.json", &[&signer]);
    config.auth.jwt.revoked_file = path.display().to_string();
    let check = of(&config).unwrap();
    let word = |id: Value| word(&check, &signer.token(&with("jti", id)));
    assert_eq!(word(json!("lost-laptop")), "token_revoked");
    assert_eq!(word(json!("new-laptop")), "alice");
    assert_eq!(word(json!("")), "token_without_id");
    assert_eq!(word(json!(7)), "token_without_id");
}

#[test]
fn a_group_stands_for_its_role_and_an_unknown_one_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let signer = pair("EdDSA", "a");
    let mut config = config();
    config.auth.jwt.algorithms = ALL.to_vec();
    config.auth.jwt.jwks = set(&folder, "keys.json", &[&signer]);
    config.auth.jwt.groups = vec!["engineering=user".into(), "ops=admin".into()];
    let check = of(&config).unwrap();
    let roles = |groups: Value| {
        let mut claims = with("groups", groups);
        claims["roles"] = json!([]);
        check
            .check(&signer.token(&claims), NOW)
            .unwrap()
            .roles()
            .to_vec()
    };
    assert_eq!(roles(json!(["engineering", "football"])), ["user"]);
    assert_eq!(roles(json!(["ops"])), ["admin"]);
    assert!(roles(json!(["admin"])).is_empty());
    assert!(roles(json!("ops")).is_empty());
}

/// The roles of a token with these claims, where the configured claim is of this name.
fn roles_by(name: &str, claims: &Value) -> Vec<String> {
    let mut config = config();
    config.auth.jwt.groups_claim = name.to_owned();
    config.auth.jwt.groups = vec!["staff=user".into(), "ops=admin".into()];
    let check = of(&config).unwrap();
    check.roles(claims.as_object().unwrap())
}

#[test]
fn a_path_of_claims_is_followed_and_a_claim_of_exactly_that_name_comes_first() {
    let keycloak = json!({
        "realm_access": {"roles": ["staff", "offline_access"]},
        "resource_access": {"exai": {"roles": ["ops"]}, "mcp.example.com": {"roles": ["ops"]}},
    });
    let auth0 = json!({"https://exai.example.com/roles": ["ops"], "https://exai": {"x": []}});
    let both = json!({"a.b": ["ops"], "a": {"b": ["staff"]}});
    let no_list = json!({"a.b": "ops", "a": {"b": ["staff"]}});
    let none: [&str; 0] = [];
    let table: [(&str, &Value, &[&str]); 12] = [
        ("realm_access.roles", &keycloak, &["user"]),
        ("resource_access.exai.roles", &keycloak, &["admin"]),
        (
            "resource_access.mcp.example.com.roles",
            &keycloak,
            &["admin"],
        ),
        ("resource_access.other.roles", &keycloak, &none),
        ("realm_access", &keycloak, &none),
        ("realm_access.roles.0", &keycloak, &none),
        ("realm_access.", &keycloak, &none),
        (".realm_access.roles", &keycloak, &none),
        ("https://exai.example.com/roles", &auth0, &["admin"]),
        ("a.b", &both, &["admin"]),
        ("a.b", &no_list, &none),
        ("", &both, &none),
    ];
    for (name, claims, wanted) in table {
        assert_eq!(roles_by(name, claims), wanted, "{name} in {claims}");
    }
}

proptest! {
    #[test]
    fn whatever_names_lead_to_a_list_their_path_finds_it_unless_it_is_a_claim_itself(
        names in proptest::collection::vec("[a-z./:]{1,6}", 1..5),
        literal in any::<bool>(),
    ) {
        let path = names.join(".");
        let nest = |inner, name: &String| json!({name.as_str(): inner});
        let mut claims = names.iter().rev().fold(json!("inner"), nest);
        prop_assert_eq!(find(claims.as_object().unwrap(), &path), Some(&json!("inner")));
        if literal {
            claims[path.as_str()] = json!("literal");
            prop_assert_eq!(find(claims.as_object().unwrap(), &path), Some(&json!("literal")));
        }
        let longer = format!("{path}.more");
        prop_assert_eq!(find(claims.as_object().unwrap(), &longer), None);
    }
}
