//! The module tree of the sources: what each module defines, and where a path leads.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Ident, ImplItem, Item, ItemImpl, Type, UseTree};

use crate::Source;

/// Segments from the crate's root.
pub(crate) type Path = Vec<String>;

#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    items: BTreeSet<String>,
    /// Names that `use` brings in, with the path as written.
    uses: BTreeMap<String, Path>,
    globs: Vec<Path>,
}

/// The modules by their paths, and the files of `macro_rules!` by name.
pub(crate) struct Modules {
    modules: BTreeMap<Path, Module>,
    pub(crate) macros: BTreeMap<String, Vec<String>>,
    /// Functions of a type whose `impl` is in this file, by type and name.
    functions: BTreeMap<(String, String), Vec<String>>,
}

/// The module path of a file.
pub(crate) fn path_of(file: &str) -> Path {
    let mut path: Path = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "lib")) {
        path.pop();
    }
    path
}

impl Modules {
    pub(crate) fn of(sources: &[(&Source, syn::File)]) -> Self {
        let mut modules =
            Self { modules: BTreeMap::new(), macros: BTreeMap::new(), functions: BTreeMap::new() };
        for (source, file) in sources {
            modules.add(path_of(&source.path), &source.path, &file.items);
        }
        modules
    }

    fn add(&mut self, path: Path, file: &str, items: &[Item]) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items {
            let ident = match item {
                Item::Const(item) => &item.ident,
                Item::Enum(item) => &item.ident,
                Item::Fn(item) => &item.sig.ident,
                Item::Static(item) => &item.ident,
                Item::Struct(item) => &item.ident,
                Item::Trait(item) => &item.ident,
                Item::TraitAlias(item) => &item.ident,
                Item::Type(item) => &item.ident,
                Item::Union(item) => &item.ident,
                Item::Macro(item) => {
                    if let Some(name) = &item.ident {
                        self.macros.entry(name.to_string()).or_default().push(file.to_owned());
                    }
                    continue;
                }
                Item::Impl(item) => {
                    self.add_functions(file, item);
                    continue;
                }
                Item::Use(item) => {
                    for used in flatten(&item.tree) {
                        match used.name {
                            Some(name) => drop(module.uses.insert(name, used.path)),
                            None => module.globs.push(used.path),
                        }
                    }
                    continue;
                }
                Item::Mod(item) => {
                    if let Some((_, items)) = &item.content {
                        let path = path.iter().cloned().chain([item.ident.to_string()]).collect();
                        self.add(path, file, items);
                    }
                    continue;
                }
                _ => continue,
            };
            module.items.insert(ident.to_string());
        }
        self.modules.insert(path, module);
    }

    fn add_functions(&mut self, file: &str, item: &ItemImpl) {
        let (None, Type::Path(of)) = (&item.trait_, &*item.self_ty) else { return };
        let Some(of) = of.path.segments.last() else { return };
        for function in &item.items {
            if let ImplItem::Fn(function) = function {
                let key = (of.ident.to_string(), function.sig.ident.to_string());
                self.functions.entry(key).or_default().push(file.to_owned());
            }
        }
    }

    /// The file of the function that a path ends with, `Type::function`, if there is one of that name.
    pub(crate) fn function(&self, path: &[String]) -> Option<&str> {
        let [.., of, name] = path else { return None };
        match self.functions.get(&(of.clone(), name.clone()))?.as_slice() {
            [file] => Some(file),
            _ => None,
        }
    }

    /// The path from the root; `None` for another crate's.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Path> {
        let first = path.first()?;
        let rest = |base: &[String], skip: usize| base.iter().chain(&path[skip..]).cloned().collect();
        match first.as_str() {
            "crate" => Some(rest(&[], 1)),
            "self" => Some(rest(module, 1)),
            "super" => {
                let up = path.iter().take_while(|segment| *segment == "super").count();
                Some(rest(&module[..module.len().checked_sub(up)?], up))
            }
            _ => {
                let here = self.modules.get(module)?;
                let child: Path = module.iter().chain([first]).cloned().collect();
                let known = self.modules.contains_key(&child) || here.items.contains(first);
                let used = here.uses.get(first).is_some_and(|used| used[..] != path[..1]);
                (known || used).then(|| rest(module, 0))
            }
        }
    }

    /// The file in which that which a path names, as it is written in a module, is defined.
    pub(crate) fn resolve(&self, module: &[String], path: &[String]) -> Option<&str> {
        self.find(&self.absolute(module, path)?, 0)
    }

    fn find(&self, path: &[String], depth: usize) -> Option<&str> {
        let mut at = Path::new();
        for (index, segment) in path.iter().enumerate() {
            let child: Path = at.iter().chain([segment]).cloned().collect();
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            let module = self.modules.get(&at)?;
            if depth < 32 && !module.items.contains(segment) {
                let follow = |target: Path| {
                    let target: Path = target.iter().chain(&path[index + 1..]).cloned().collect();
                    self.find(&target, depth + 1)
                };
                if let Some(used) = module.uses.get(segment) {
                    // Another crate's item that is re-exported here is defined here.
                    let Some(target) = self.absolute(&at, used) else { return Some(&module.file) };
                    return follow(target);
                }
                let globs = module.globs.iter().filter_map(|glob| self.absolute(&at, glob));
                for mut target in globs {
                    if self.has(&target, segment) {
                        target.push(segment.clone());
                        return follow(target);
                    }
                }
            }
            // Defined here, or made here by a macro.
            return Some(&module.file);
        }
        self.modules.get(&at).map(|module| module.file.as_str())
    }

    fn has(&self, module: &[String], name: &str) -> bool {
        let child: Path = module.iter().cloned().chain([name.to_owned()]).collect();
        let here = self.modules.get(module);
        let named = here.is_some_and(|here| here.items.contains(name) || here.uses.contains_key(name));
        named || self.modules.contains_key(&child)
    }
}

/// A name that a `use` brings in.
pub(crate) struct Used {
    /// None for a glob.
    name: Option<String>,
    pub(crate) path: Path,
    pub(crate) line: usize,
}

/// Each name that a `use` brings in, with its whole path.
pub(crate) fn flatten(tree: &UseTree) -> Vec<Used> {
    let one = |name: Option<&Ident>, path: &Ident| {
        // `a::{self}` names `a`.
        let path = Some(path).filter(|path| *path != "self").map(Ident::to_string);
        Used { name: name.map(Ident::to_string), path: path.into_iter().collect(), line: 0 }
    };
    match tree {
        UseTree::Path(path) => {
            let mut all = flatten(&path.tree);
            for used in &mut all {
                used.path.insert(0, path.ident.to_string());
                if used.name.as_deref() == Some("self") {
                    used.name = Some(path.ident.to_string());
                }
            }
            all
        }
        UseTree::Name(name) => vec![Used { line: line(&name.ident), ..one(Some(&name.ident), &name.ident) }],
        UseTree::Rename(name) => {
            vec![Used { line: line(&name.ident), ..one(Some(&name.rename), &name.ident) }]
        }
        UseTree::Glob(glob) => {
            vec![Used { name: None, path: Path::new(), line: glob.star_token.spans[0].start().line }]
        }
        UseTree::Group(group) => group.items.iter().flat_map(flatten).collect(),
    }
}

pub(crate) fn line(ident: &Ident) -> usize {
    ident.span().start().line
}
