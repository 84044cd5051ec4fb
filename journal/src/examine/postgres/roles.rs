//! Who the service is connected as, and what that role may do.

use sqlx::postgres::PgConnection;

use super::Looked;
use crate::schema;

/// The role of the service.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Roles {
    /// Who we are connected as.
    pub service: String,
    /// May it do anything at all?
    pub superuser: bool,
    /// Whose `events` is.
    pub owner: String,
    /// May it act as the owner?
    pub acts_as_owner: bool,
    /// What it may do to `events` or a partition beyond adding and reading, such as `events: DELETE`.
    pub excess: Vec<String>,
    /// What the service needs and it may not, such as `public.budgets: UPDATE`.
    #[sqlx(skip)]
    pub lacking: Vec<String>,
}

const ROLES: &str = "
    SELECT current_user::text AS service, r.rolsuper AS superuser, pg_get_userbyid(e.relowner)::text AS owner,
        pg_has_role(current_user, e.relowner, 'USAGE') AS acts_as_owner,
        ARRAY(SELECT c.relname || ': ' || p.privilege
              FROM pg_class c, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p (privilege)
              WHERE (c.oid = e.oid OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = e.oid))
                AND has_table_privilege(c.oid, p.privilege)) AS excess
    FROM pg_roles r, pg_class e WHERE r.rolname = current_user AND e.oid = 'public.events'::regclass";

const LACKING: &str = "
    SELECT g.object || ': ' || g.privilege FROM unnest($1::text[], $2::text[]) AS g (object, privilege)
    WHERE NOT coalesce(CASE WHEN g.privilege = 'EXECUTE'
        THEN has_function_privilege(to_regprocedure(g.object), g.privilege)
        ELSE has_table_privilege(to_regclass(g.object), g.privilege) END, false)";

pub(super) async fn look(connection: &mut PgConnection) -> Looked<Roles> {
    let roles: Roles = sqlx::query_as(ROLES).fetch_one(&mut *connection).await?;
    let (objects, privileges): (Vec<String>, Vec<String>) = schema::granted().into_iter().unzip();
    let lacking = sqlx::query_scalar(LACKING).bind(objects).bind(privileges).fetch_all(connection).await?;
    Ok(Roles { lacking, ..roles })
}
