//! Who writes to a record: the handles of `Attempt` and `Connection`, such as `attempt.queue().enter()`.
//!
//! A call is found by the name of its method, in the source itself: not inside of macros, and not through a variable.

use syn::visit::{self, Visit};

use crate::Source;
use crate::modules::line;

/// The method that returns the handle, and the folders and files that may use it. `record` defines them all.
const HANDLES: &[(&str, &[&str])] = &[
    ("queue", &["limit/", "record/"]),
    ("request_body", &["foreign/", "observe/", "record/", "reqwest/"]),
    ("io", &["connect/track/", "foreign/", "pool/conn.rs", "record/", "reqwest/", "tonic/executor.rs"]),
    (
        "response",
        &["foreign/", "observe/", "pool/future.rs", "pool/wait.rs", "record/", "retry/", "timeouts/"],
    ),
];

/// One line for each use of a handle in a file that may not use it.
pub(crate) fn violations(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let file = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path));
        Uses { file: &source.path, found: &mut found }.visit_file(&file);
    }
    found
}

struct Uses<'a> {
    file: &'a str,
    found: &'a mut Vec<String>,
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if let syn::Expr::MethodCall(receiver) = &*call.receiver {
            let name = &receiver.method;
            let handle = HANDLES.iter().find(|(handle, _)| receiver.args.is_empty() && name == handle);
            let is_user = |users: &[&str]| users.iter().any(|user| self.file.starts_with(user));
            if handle.is_some_and(|(_, users)| !is_user(users)) {
                let place = format!("{}:{}", self.file, line(&call.method));
                self.found.push(format!("{place}: .{name}().{}(..) is not for this file", call.method));
            }
        }
        visit::visit_expr_method_call(self, call);
    }
}

#[test]
fn direction_handle_in_wrong_folder_found() {
    let found = |path: &str, text: &str| {
        violations(&[Source { path: path.to_owned(), text: format!("fn f() {{ {text} }}") }])
    };
    assert_eq!(found("retry/call.rs", "call.attempt.queue().enter();").len(), 1);
    assert_eq!(found("limit/permit.rs", "a.iter().map(|attempt| attempt.io().blocked());").len(), 1);
    assert!(found("limit/permit.rs", "attempt.queue().enter(); attempt.queue(1).io();").is_empty());
}
