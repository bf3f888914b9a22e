//! Every path in the code, as an arrow from its file to the file that defines what it names.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::Source;
use crate::modules::{Modules, Path, flatten, line, path_of};

#[derive(Debug)]
pub(crate) struct Arrow {
    pub(crate) file: String,
    pub(crate) line: usize,
    /// As it is written.
    pub(crate) path: String,
    /// The file that defines what the path names.
    pub(crate) target: String,
}

pub(crate) fn of(sources: &[Source]) -> Vec<Arrow> {
    let parse = |source: &Source| match syn::parse_file(&source.text) {
        Ok(file) => file,
        Err(error) => panic!("{}: {error}", source.path),
    };
    let parsed: Vec<_> = sources.iter().map(|source| (source, parse(source))).collect();
    let modules = Modules::of(&parsed);
    let mut arrows = Vec::new();
    for (source, file) in &parsed {
        let module = path_of(&source.path);
        let mut walk = Walk { modules: &modules, file: &source.path, module, arrows: &mut arrows };
        walk.visit_file(file);
    }
    arrows
}

struct Walk<'a> {
    modules: &'a Modules,
    file: &'a str,
    module: Path,
    arrows: &'a mut Vec<Arrow>,
}

impl Walk<'_> {
    fn add(&mut self, line: usize, path: &[String]) {
        let modules = self.modules;
        if let Some(target) = modules.resolve(&self.module, path) {
            self.point(line, path.join("::"), target.to_owned());
        }
        // An `impl` may be in another folder than its type.
        if let Some(target) = modules.function(path) {
            self.point(line, path.join("::"), target.to_owned());
        }
    }

    fn point(&mut self, line: usize, path: String, target: String) {
        if target != self.file {
            self.arrows.push(Arrow { file: self.file.to_owned(), line, path, target });
        }
    }

    /// Paths in what a macro gets, or in the body of a `macro_rules!`.
    fn tokens(&mut self, prefix: &[String], stream: TokenStream) {
        let tokens: Vec<_> = stream.into_iter().collect();
        let is = |at: usize, punct| matches!(tokens.get(at), Some(TokenTree::Punct(one)) if one.as_char() == punct);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => self.tokens(&[], group.stream()),
                TokenTree::Ident(ident) => {
                    let line = line(ident);
                    let mut path = prefix.to_vec();
                    path.push(ident.to_string());
                    while is(at, ':') && is(at + 1, ':') {
                        match tokens.get(at + 2) {
                            Some(TokenTree::Ident(next)) => path.push(next.to_string()),
                            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                                self.tokens(&path, group.stream());
                            }
                            _ => break,
                        }
                        at += 3;
                    }
                    if path.len() > 1 {
                        self.add(line, &path);
                    }
                    if is(at, '!') {
                        self.invoke(line, &path);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// The macro that is invoked may be one of the crate.
    fn invoke(&mut self, line: usize, path: &[String]) {
        let Some(name) = path.last() else { return };
        let files = self.modules.macros.get(name).map_or(&[][..], Vec::as_slice);
        if files.iter().any(|file| file == self.file) {
            return;
        }
        if let Some(first) = files.first() {
            self.point(line, format!("{name}!"), first.clone());
        }
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for used in flatten(&item.tree) {
            self.add(used.line, &used.path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Path = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 && path.leading_colon.is_none() {
            self.add(line(&path.segments[0].ident), &segments);
        }
        visit::visit_path(self, path);
    }

    /// `pub(in crate::…)` names a module around this one.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
        let path: Path = invoked.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.invoke(line(&invoked.path.segments[0].ident), &path);
        self.tokens(&[], invoked.tokens.clone());
    }
}
