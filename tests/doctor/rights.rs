use super::{examine, on_postgres};
use crate::cli::machine::Machine;
use crate::house::CLUSTER;

#[test]
fn a_trigger_that_is_off_or_gone_is_named_with_its_table() {
    let machine = on_postgres("doctor_triggers");
    for (change, why) in [
        ("ALTER TABLE events_p000001 DISABLE TRIGGER refuse_change", "`events_p000001`: disabled"),
        ("ALTER TABLE events_p000001 ENABLE TRIGGER refuse_change", "`events_p000001`: not ENABLE ALWAYS"),
        ("DROP TRIGGER refuse_change ON events_p000001", "`events_p000001`: there is none"),
        (
            "CREATE TRIGGER refuse_change BEFORE DELETE ON events_p000001 FOR EACH ROW EXECUTE FUNCTION refuse_change();
             ALTER TABLE events_p000001 ENABLE ALWAYS TRIGGER refuse_change",
            "`events_p000001`: it refuses less than it should",
        ),
    ] {
        CLUSTER.psql("doctor_triggers", change);
        let found = examine(&machine, &[]).ill().finds("triggers", "failed");
        assert!(found.contains(why) && found.contains("ALTER TABLE public.events_p000001"), "{found}");
    }
    // As the remedy says.
    CLUSTER.psql("doctor_triggers", "DROP TRIGGER refuse_change ON events_p000001");
    CLUSTER.psql("doctor_triggers", "SELECT public.refuse_changes_of('public.events_p000001')");
    examine(&machine, &[]).healthy().finds("triggers", "ok");
}

#[test]
fn a_function_that_was_changed_is_noticed() {
    let machine = on_postgres("doctor_functions");
    CLUSTER.psql("doctor_functions", "ALTER FUNCTION make_partitions(integer) RESET search_path");
    assert!(examine(&machine, &[]).ill().finds("functions", "failed").contains("search_path"));
    CLUSTER.psql(
        "doctor_functions",
        "ALTER FUNCTION make_partitions(integer) SET search_path = public, pg_temp",
    );
    CLUSTER.psql("doctor_functions", "GRANT EXECUTE ON FUNCTION make_partitions(integer) TO PUBLIC");
    assert!(examine(&machine, &[]).ill().finds("functions", "failed").contains("for everybody"));
    CLUSTER.psql("doctor_functions", "REVOKE ALL ON FUNCTION make_partitions(integer) FROM PUBLIC");
    examine(&machine, &[]).healthy().finds("functions", "ok");
    CLUSTER.psql(
        "doctor_functions",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END;'",
    );
    assert!(examine(&machine, &[]).ill().finds("functions", "failed").contains("`refuse_change` is not as"));
}

#[test]
fn a_service_with_a_role_of_its_own_may_add_and_read_and_nothing_else() {
    CLUSTER.psql("postgres", "CREATE ROLE doctor_owner LOGIN; CREATE ROLE doctor_service LOGIN");
    CLUSTER.psql("postgres", "CREATE DATABASE doctor_roles OWNER doctor_owner");
    CLUSTER.psql("doctor_roles", "ALTER SCHEMA public OWNER TO doctor_owner");
    let machine = Machine::new()
        .with("TOLLBOOK_DATABASE_URL", &CLUSTER.url_as("doctor_service", "doctor_roles"))
        .with("TOLLBOOK_MIGRATE_DATABASE_URL", &CLUSTER.url_as("doctor_owner", "doctor_roles"));
    machine.run(&["bootstrap", "--user", "O", "--workspace", "W"]).ok();
    let well = examine(&machine, &["--deep"]).healthy();
    assert!(well.finds("roles", "ok").contains("`doctor_service` adds and reads"));
    well.finds("functions", "ok");

    CLUSTER.psql("doctor_roles", "GRANT DELETE ON events_p000001 TO doctor_service");
    assert!(examine(&machine, &[]).ill().finds("roles", "failed").contains("events_p000001: DELETE"));
    CLUSTER.psql("doctor_roles", "REVOKE DELETE ON events_p000001 FROM doctor_service");
    CLUSTER.psql("doctor_roles", "REVOKE UPDATE ON budgets FROM doctor_service");
    let lacking = examine(&machine, &[]).ill().finds("roles", "failed");
    assert!(lacking.contains("public.budgets: UPDATE") && lacking.contains("tollbook migrate"), "{lacking}");
    machine.run(&["migrate"]).ok();
    examine(&machine, &[]).healthy().finds("roles", "ok");
    CLUSTER.psql("doctor_roles", "GRANT doctor_owner TO doctor_service");
    assert!(examine(&machine, &[]).healthy().finds("roles", "warning").contains("may change the past"));
}
