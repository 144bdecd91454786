package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// modulePath is the module whose comments are read.
const modulePath = "github.com/otel-exfil/exfil"

// comments finds what the sources say of the types and fields of this module. Types of others have none.
type comments struct {
	root     string                       // of the module
	packages map[string]map[string]string // by package and Type or Type.Field
}

// of returns the comment of a type and, where field is not empty, of one of its fields; keys are named as in configuration.
func (c *comments) of(t reflect.Type, field string) (string, error) {
	path := t.PkgPath()
	if path != modulePath && !strings.HasPrefix(path, modulePath+"/") || t.Name() == "" {
		return "", nil
	}
	if c.packages[path] == nil {
		read, err := readComments(filepath.Join(c.root, strings.TrimPrefix(path, modulePath)))
		if err != nil {
			return "", err
		}
		c.packages[path] = read
	}
	name := t.Name()
	if field != "" {
		name += "." + field
	}
	return sentence(t, field, c.packages[path][name]), nil
}

func readComments(dir string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: there are no sources to read comments from: %w", dir, os.ErrNotExist)
	}
	told := make(map[string]string)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				readTypes(told, g)
			}
		}
	}
	return told, nil
}

func readTypes(told map[string]string, g *ast.GenDecl) {
	for _, spec := range g.Specs {
		t := spec.(*ast.TypeSpec)
		told[t.Name.Name] = text(t.Doc, g.Doc)
		structure, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range structure.Fields.List {
			for _, name := range f.Names {
				told[t.Name.Name+"."+name.Name] = text(f.Doc, f.Comment)
			}
		}
	}
}

func text(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if words := strings.Fields(g.Text()); len(words) > 0 {
			return strings.Join(words, " ")
		}
	}
	return ""
}

// sentence makes of a comment for those who read Go one for those who write configuration: fields are called by their
// keys, a type not by its name, and it begins like a sentence and ends like one.
func sentence(t reflect.Type, field, comment string) string {
	if comment == "" {
		return ""
	}
	if field == "" {
		comment = regexp.MustCompile(`^`+t.Name()+` (is|are|says) `).ReplaceAllString(comment, "")
	}
	keys := make(map[string]bool)
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			if key, _ := keyOf(t.Field(i)); key != "" {
				keys[key] = true
				comment = regexp.MustCompile(`\b`+t.Field(i).Name+`\b`).ReplaceAllString(comment, key)
			}
		}
	}
	comment = strings.ReplaceAll(comment, "; nil:", "; without it:")
	if !strings.HasSuffix(comment, ".") {
		comment += "."
	}
	if keys[strings.Fields(comment)[0]] {
		return comment
	}
	first, size := utf8.DecodeRuneInString(comment)
	return string(unicode.ToUpper(first)) + comment[size:]
}
