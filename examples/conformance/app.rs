//! The app that genuine Feathers servers ran while they were recorded (tests/fixtures/wire/feathers),
//! and `tick`, which stands for the server's own doings.

use roost::{
    core::{
        Record,
        call::{Answer, Call, Method},
        event::Draft,
        scope::Audience,
    },
    error::{Error, Result},
    services::{
        Services, hooks,
        records::Records,
        rules::{Rules, Scope},
    },
};
use serde_json::{Value, json};

use crate::{
    SEVERAL,
    function::Function,
    login::ANN,
    tables::{messages, notes, typed, users},
    validation,
};

const CREATE: &[Method] = &[Method::Create];
const SUM: Method = Method::Custom(std::borrow::Cow::Borrowed("sum"));

/// Registers the app's services.
pub fn register(services: &mut Services) {
    tables(services);
    services.add("calc", Function::new(&[Method::Find, SUM], calc));
    services.add("tick", Function::new(CREATE, data).publishing(tick));
    let tasks = Function::new(&[Method::Find, Method::Create], tasks).publishing(created);
    services.add("projects/:projectId/tasks", tasks);
    let methods = &[Method::Find, Method::Get, Method::Remove];
    services.add("nothing", Function::new(methods, nothing));
    services.add("boom", Function::new(&[Method::Find, Method::Get], boom));
    services.add("redirect", Function::new(CREATE, redirect));
    services.add("dm", Function::new(CREATE, dm).publishing(whisper));
    let methods = &[Method::Find, Method::Get, Method::Create];
    services.add("echo", Function::new(methods, echo).taking_bytes());
}

fn tables(services: &mut Services) {
    let users = Records::of::<users::Entity>("id").paginate(10, 50);
    services.add("users", users.multi(SEVERAL).rules(Sparse).build());
    let messages = Records::of::<messages::Entity>("id").paginate(3, 5);
    services.add("messages", messages.multi(SEVERAL).rules(Sparse).build());
    let notes = Records::of::<notes::Entity>("id").rules(Sparse);
    services.add("notes", notes.build());
    let typed = Records::of::<typed::Entity>("id").paginate(10, 50);
    services
        .add("typed", typed.rules(Sparse).build())
        .hook(hooks::before([], |call| validation::query(&call.query)))
        .hook(hooks::before(CREATE, |call| validation::data(&call.data)));
}

/// Everybody hears of everything; fields that nobody set are left out. Fields that the table lacks,
/// such as a user's password, are dropped.
pub struct Sparse;

impl Rules for Sparse {
    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn scope(&self, _record: &Record) -> Option<Scope> {
        Some(Scope::everyone([]))
    }
}

fn calc(call: &Call) -> Result<Answer> {
    if call.method == Method::Find {
        return Ok(json!([]).into());
    }
    let number = |name: &str| call.data.get(name).and_then(Value::as_i64);
    let sum = number("a").zip(number("b")).map(|(a, b)| a + b);
    Ok(json!({"sum": sum, "query": call.query, "provider": call.caller.provider}).into())
}

fn data(call: &Call) -> Result<Answer> {
    Ok(call.data.clone().into())
}

/// `calc`'s own event.
fn tick(call: &Call, _answer: &Answer) -> Result<Draft> {
    Scope::everyone([]).draft("calc", "tick", &call.data)
}

fn tasks(call: &Call) -> Result<Answer> {
    if call.method == Method::Find {
        return Ok(json!([{"route": call.route, "query": call.query}]).into());
    }
    let mut task = call.data.clone();
    if let Value::Object(task) = &mut task {
        task.insert("route".to_owned(), Value::Object(call.route.clone()));
    }
    Ok(task.into())
}

fn created(call: &Call, answer: &Answer) -> Result<Draft> {
    Scope::everyone([]).draft(call.service.clone(), "created", &answer.data)
}

fn nothing(call: &Call) -> Result<Answer> {
    let zero = matches!(&call.id, Some(id) if *id == 0 || *id == "0");
    let found = call.method == Method::Get && zero;
    Ok(if found { json!(0) } else { Value::Null }.into())
}

fn boom(call: &Call) -> Result<Answer> {
    let id = call.id.as_ref().and_then(Value::as_str).unwrap_or_default();
    Err(match id {
        _ if call.method == Method::Find => Error::general("plain error"),
        "conflict" => Error::conflict("Already there")
            .with_data(json!({"field": "x"}))
            .with_errors(json!([{"path": "x", "message": "dup"}])),
        "array" => Error::bad_request("arr").with_data(json!([1, 2])),
        "code" => Error::general("typed"),
        "string" => Error::general("just a string"),
        _ => Error::general("general"),
    })
}

fn redirect(call: &Call) -> Result<Answer> {
    let location = Some("/redirect/7".to_owned());
    let data = merged(json!({"id": 7}), &call.data);
    Ok(Answer {
        data,
        location,
        ..Answer::default()
    })
}

fn dm(call: &Call) -> Result<Answer> {
    let mut message = merged(json!({"id": 1}), &call.data);
    message["secretField"] = json!("for sender only");
    Ok(message.into())
}

/// What those who are logged in are told of a `dm`, and what everybody else is.
fn whisper(call: &Call, answer: &Answer) -> Result<Draft> {
    let (id, text) = (&answer.data["id"], &answer.data["text"]);
    let whole = json!({"id": id, "text": text, "via": "authenticated channel.send"});
    let told = json!({"id": id, "via": "everybody channel.send"});
    let mut draft = Scope::everyone([]).draft(call.service.clone(), "created", &whole)?;
    let everybody = Scope::everyone([]).draft(call.service.clone(), "created", &told)?;
    draft.views[0].audience = Audience::Identities(vec![ANN.to_owned()]);
    draft.views.extend(everybody.views);
    Ok(draft)
}

fn echo(call: &Call) -> Result<Answer> {
    let mut echo = Record::new();
    match call.method {
        Method::Find => {}
        Method::Get => {
            let id = call.id.clone().unwrap_or_default();
            let kind = match id {
                Value::String(_) => "string",
                Value::Number(_) => "number",
                _ => "object",
            };
            echo.insert("id".to_owned(), id);
            echo.insert("idType".to_owned(), json!(kind));
        }
        _ if call.data.is_null() => {}
        _ => drop(echo.insert("data".to_owned(), call.data.clone())),
    }
    echo.insert("query".to_owned(), Value::Object(call.query.clone()));
    if call.method == Method::Create {
        echo.insert("provider".to_owned(), json!(call.caller.provider));
    }
    Ok(Answer {
        data: Value::Object(echo),
        attachments: call.attachments.clone(),
        ..Answer::default()
    })
}

/// An object and what another one adds to it.
fn merged(mut object: Value, more: &Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more.clone());
    }
    object
}
