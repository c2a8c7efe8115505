//! What a token is good for.

use roost::core::clock::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    on_both_databases,
    support::{daemon::Daemon, databases::Fresh, rest::Rest},
};

on_both_databases!(a_token_is_its_user_s_and_not_a_later_one_s_with_the_same_id);

async fn a_token_is_its_user_s_and_not_a_later_one_s_with_the_same_id(database: Fresh) {
    let daemon = Daemon::start(&database).await;
    let rest = Rest::new(daemon.address);
    let ann = json!({"user_id": "ann", "email": "ann@example.com", "password": "correct horse"});
    let user = rest.create("users", &ann).await;
    let made = user["created_at"].as_str().and_then(Timestamp::parse);
    let made = made.expect("a moment").millis();
    let second = made - made.rem_euclid(1_000);
    let tokens = &daemon.app.services.door.settings.tokens;
    // A token says in which second it was made, and may be made in the same one as its user.
    for (moment, code) in [
        (second - 1, json!(401)),
        (second, Value::Null),
        (made, Value::Null),
    ] {
        let moment = Timestamp::from_millis(moment).expect("a moment");
        let token = tokens.sign(&tokens.claims("ann", moment, Uuid::nil()));
        let login = json!({"strategy": "jwt", "accessToken": token.expect("a token")});
        let path = "/authentication";
        let (_, answer) = rest.send(reqwest::Method::POST, path, Some(&login)).await;
        assert_eq!(answer["code"], code, "{moment}: {answer}");
    }
    daemon.stop().await;
}
