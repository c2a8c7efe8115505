//! Input that is asked for in rounds: the client calls again with what was wanted.

use rmcp::{
    ErrorData,
    model::{InputRequiredResult, InputResponses},
};
use roost::auth::keys;
use serde_json::{Map, Value, json};

use super::{Answer, Context, read};

/// What nobody else knows: a state with it was not made up.
const SECRET: &str = "conformance";

/// A call's round.
pub enum Round {
    /// Something is wanted.
    Ask(InputRequiredResult),
    /// This was answered last.
    Done(Value),
}

impl Round {
    /// The round of a call of a fixture.
    ///
    /// # Errors
    /// If the state is not the fixture's.
    pub fn of(
        fixture: &Value,
        responses: Option<InputResponses>,
        state: Option<String>,
        context: &Context,
    ) -> Answer<Self> {
        let rounds = fixture["needs"].as_array().map_or(&[][..], Vec::as_slice);
        let sealed = |round: usize| {
            let digest = keys::digest(&format!("{SECRET} {} {round}", fixture["name"]));
            format!("{round}-{digest}")
        };
        let current = match state {
            None => 0,
            Some(state) => (0..rounds.len())
                .find(|round| sealed(*round) == state)
                .ok_or_else(|| ErrorData::invalid_params("This state is not mine", None))?,
        };
        let responses = responses.unwrap_or_default();
        let wanted = wanted(&rounds[current], context);
        let answered = |key: &String| responses.get(key).is_some_and(Value::is_object);
        let next = match wanted.keys().all(answered) {
            true if current + 1 == rounds.len() => return Ok(Self::Done(json!(responses))),
            true => current + 1,
            false => current,
        };
        let mut required = json!({"resultType": "input_required", "inputRequests": rounds[next]});
        if next == current {
            required["inputRequests"] = Value::Object(wanted);
        }
        if fixture["state"] == true {
            required["requestState"] = json!(sealed(next));
        }
        read(required).map(Self::Ask)
    }
}

/// Of what a round wants, that which the client can give.
fn wanted(round: &Value, context: &Context) -> Map<String, Value> {
    let capabilities = json!(context.client_capabilities().unwrap_or_default());
    let mut wanted = round.as_object().cloned().unwrap_or_default();
    wanted.retain(|_, request| {
        let method = request["method"].as_str().unwrap_or_default();
        let (capability, _) = method.split_once('/').unwrap_or_default();
        capabilities.get(capability).is_some()
    });
    wanted
}
