//! The good token is good, every other differs, and each case says how.

use std::collections::BTreeSet;

use super::battery::TokenCase;
use super::*;

const NOW: u64 = 1_795_000_000;

fn mint(signature: Signature) -> Mint {
    Mint {
        secret: b"0123456789abcdef0123456789abcdef0123456789abcdef".to_vec(),
        private: SigningKey::from_bytes(&[7; 32]),
        signature,
        key_id: "main".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        audience: "exai".to_owned(),
        leeway: 30,
        max_lifetime: 3_600,
        subject: "ada".to_owned(),
        role: "user".to_owned(),
    }
}

fn token(header: &str) -> &str {
    header.strip_prefix("Bearer ").unwrap()
}

/// A small verifier of the good shape, written against the text of the standard, not our signer.
fn is_good(mint: &Mint, token: &str) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, proof] = parts.as_slice() else {
        return false;
    };
    let read = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let (Some(header_read), Some(claims)) = (read(header), read(payload)) else {
        return false;
    };
    let Ok(proof) = URL_SAFE_NO_PAD.decode(proof) else {
        return false;
    };
    let signed = format!("{header}.{payload}");
    let is_signed = match mint.signature {
        Signature::EdDsa => ed25519_dalek::Signature::from_slice(&proof).is_ok_and(|proof| {
            mint.private
                .verifying_key()
                .verify_strict(signed.as_bytes(), &proof)
                .is_ok()
        }),
        _ => Hmac::<Sha256>::new_from_slice(&mint.secret)
            .unwrap()
            .chain_update(&signed)
            .verify_slice(&proof)
            .is_ok(),
    };
    let names = |map: &Value| -> BTreeSet<String> {
        map.as_object()
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default()
    };
    let number = |name: &str| claims[name].as_u64();
    let (Some(exp), Some(iat)) = (number("exp"), number("iat")) else {
        return false;
    };
    let audience = &claims["aud"];
    let for_us = audience == mint.audience.as_str()
        || audience
            .as_array()
            .is_some_and(|list| list.contains(&mint.audience.as_str().into()));
    is_signed
        && names(&header_read) == ["alg", "kid", "typ"].map(str::to_owned).into()
        && header_read["alg"] == mint.signature.name()
        && header_read["typ"] == "JWT"
        && header_read["kid"] == mint.key_id.as_str()
        && exp + mint.leeway >= NOW
        && iat <= NOW + mint.leeway
        && exp - iat <= mint.max_lifetime
        && number("nbf").unwrap_or(0) <= NOW + mint.leeway
        && for_us
        && claims["iss"] == mint.issuer.as_str()
        && claims["sub"].as_str().is_some_and(|sub| !sub.is_empty())
        && names(&claims).len() < 20
        && token.len() < 8_192
        && encode(&URL_SAFE_NO_PAD.decode(payload).unwrap()) == *payload
}

#[test]
fn every_good_case_is_good_and_no_bad_one_is() {
    for signature in [Signature::Hs256, Signature::EdDsa] {
        let mint = mint(signature);
        for TokenCase { id, bad, good, .. } in mint.battery(NOW, "http://127.0.0.1:1") {
            assert!(is_good(&mint, token(&good)), "{id}: its good case is not");
            let bad = bad.as_deref().and_then(|bad| bad.strip_prefix("Bearer "));
            // Two claims of one name are told apart by a strict reader of the text alone.
            let passes = bad.is_some_and(|bad| is_good(&mint, bad)) && !id.starts_with("J27");
            assert!(!passes, "{id}: it would be accepted");
        }
    }
}

#[test]
fn every_row_from_j1_to_j35_is_made_but_the_one_named_as_not_made() {
    let cases = mint(Signature::Hs256).battery(NOW, "http://127.0.0.1:1");
    let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids.len(), cases.len(), "an id twice");
    for number in 1..=35 {
        let id = format!("J{number}");
        let is_made = ids.iter().any(|made| made.split('.').next() == Some(&id));
        let is_named = battery::NOT_MADE == id;
        assert!(is_made != is_named, "{id}");
    }
}

#[test]
fn doubled_claims_stand_twice_in_the_text() {
    let cases = mint(Signature::Hs256).battery(NOW, "http://127.0.0.1:1");
    for (id, name) in [("J27.exp", "\"exp\":"), ("J27.sub", "\"sub\":")] {
        let case = cases.iter().find(|case| case.id == id).unwrap();
        let payload = token(case.bad.as_deref().unwrap())
            .split('.')
            .nth(1)
            .unwrap();
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        assert_eq!(text.matches(name).count(), 2, "{text}");
    }
}

#[test]
fn a_token_names_whom_it_is_for() {
    let mint = mint(Signature::EdDsa);
    let good = mint.good("bob", &["admin"], 60, NOW);
    assert!(is_good(&mint, &good));
    let payload = good.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["roles"]),
        (&json!("bob"), &json!(["admin"]))
    );
    assert!(
        mint.public_pem()
            .starts_with("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA")
    );
}
