//! In whose name users and agents hire, and where the work that is done for them is kept.

use entities::{agents, boards};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition};
use serde_json::json;

use super::{AGENTS, CLIENT, USERS, complete, known, one};
use crate::{
    core::{Record, access::sees_all, identity::Identity},
    error::{Error, Result},
    services::{board_members, boards as own_boards, values::text},
    store::{lane::Work, table::Table},
};

/// The id of the agent in whose name whom the unit works for hires: an agent in its own, a user, and the
/// local owner, in that of an agent which is made now if need be.
///
/// # Errors
/// `Forbidden` for those who have no name, or if the database fails.
pub async fn client(work: &mut Work<'_>) -> Result<String> {
    let (did, user) = match &work.by {
        Identity::Agent(agent) => return Ok(agent.id.clone()),
        Identity::User(user) => (format!("did:roost:user:{}", user.id), Some(user.id.clone())),
        Identity::Owner | Identity::System => ("did:roost:owner".to_owned(), None),
        Identity::Nobody | Identity::Anonymous => {
            return Err(Error::forbidden("Without a name nobody hires"));
        }
    };
    let is_it = Expr::col(agents::Column::Did).eq(&did).into_condition();
    if let Some(agent) = one(is_it, work.tx).await? {
        return Ok(text(&agent, "id").unwrap_or_default().to_owned());
    }
    let name = match &user {
        Some(user) => {
            let user = USERS.get(work.tx, &json!(user), Condition::all()).await?;
            let name = ["name", "email"].iter().find_map(|name| text(&user, name));
            name.unwrap_or(CLIENT).to_owned()
        }
        None => "the owner".to_owned(),
    };
    let id = work.clock.random_id().to_string();
    let mut agent = Record::from_iter([
        ("id".to_owned(), json!(id)),
        ("did".to_owned(), json!(did)),
        ("user_id".to_owned(), json!(user)),
        ("name".to_owned(), json!(name)),
    ]);
    complete(&mut agent, work);
    agent.insert("kind".to_owned(), json!(CLIENT));
    AGENTS.insert(work.tx, &agent).await?;
    Ok(id)
}

/// Whether whom the unit works for may hire in the name of an agent: it is its own, or the user's; admins
/// hire in everybody's.
///
/// # Errors
/// If the database fails.
pub async fn may_be_client(id: &str, work: &mut Work<'_>) -> Result<bool> {
    let mut is_it = Condition::all().add(Expr::col(agents::Column::Id).eq(id));
    if !sees_all(&work.by) {
        let is_own = match &work.by {
            Identity::Agent(agent) => Expr::col(agents::Column::Id).eq(&agent.id),
            by => Expr::col(agents::Column::UserId).eq(by.user_id().unwrap_or_default()),
        };
        is_it = is_it.add(is_own);
    }
    Ok(one(is_it, work.tx).await?.is_some())
}

/// The private board on which the work is that is done for a client, made now if need be. The user whose
/// agent the client is owns it.
///
/// # Errors
/// If the database fails.
pub async fn board(client: &str, work: &mut Work<'_>) -> Result<String> {
    let agent = known(client, work.tx).await?.unwrap_or_default();
    if let Some(board) = text(&agent, "board_id") {
        let is_it = Expr::col(boards::Column::BoardId)
            .eq(board)
            .into_condition();
        let boards = Table::of::<boards::Entity>("board_id");
        if boards.count(work.tx, is_it).await? > 0 {
            return Ok(board.to_owned());
        }
    }
    let by = std::mem::replace(&mut work.by, Identity::System);
    let name = text(&agent, "name").unwrap_or(CLIENT);
    let board = json!({"name": format!("Hirings of {name}"), "visibility": "private"});
    let board = own_boards::service().create(board, work).await?;
    let board = board["board_id"].as_str().unwrap_or_default().to_owned();
    if let Some(user) = text(&agent, "user_id") {
        let member = json!({"board_id": board, "user_id": user, "role": "owner"});
        board_members::service().create(member, work).await?;
    }
    let at = Record::from_iter([("board_id".to_owned(), json!(board))]);
    AGENTS.change(work.tx, &json!(client), &at).await?;
    work.by = by;
    Ok(board)
}
