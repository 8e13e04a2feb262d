// Writes the Python of a program that the Pulumi engine has in PCL, its language between languages: what `pulumi import`
// prints. A GenerateProgramRequest of the language protocol comes on stdin, its answer goes to stdout.
//
// Parsing, binding and printing are Pulumi's own; the official language host calls them in the same way. They are Go, and
// ours is Python.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/pkg/v3/codegen/hcl2/syntax"
	"github.com/pulumi/pulumi/pkg/v3/codegen/pcl"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/pkg/v3/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
)

func main() {
	if err := answer(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(in io.Reader, out io.Writer) error {
	asked, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	request := &pulumirpc.GenerateProgramRequest{}
	if err := proto.Unmarshal(asked, request); err != nil {
		return err
	}
	files, diagnostics, err := generate(request)
	if err != nil {
		return err
	}
	said, err := proto.Marshal(&pulumirpc.GenerateProgramResponse{
		Source:      files,
		Diagnostics: plugin.HclDiagnosticsToRPCDiagnostics(diagnostics),
	})
	if err != nil {
		return err
	}
	_, err = out.Write(said)
	return err
}

// The files of the program, or what is wrong with it.
func generate(request *pulumirpc.GenerateProgramRequest) (map[string][]byte, hcl.Diagnostics, error) {
	loader, err := schema.NewLoaderClient(request.LoaderTarget)
	if err != nil {
		return nil, nil, err
	}
	defer loader.Close()

	parser := syntax.NewParser()
	for path, text := range request.Source {
		if err := parser.ParseFile(strings.NewReader(text), path); err != nil {
			return nil, nil, err
		}
	}
	if parser.Diagnostics.HasErrors() {
		return nil, parser.Diagnostics, nil
	}

	var options []pcl.BindOption
	if !request.Strict {
		options = pcl.NonStrictBindOptions()
	}
	program, diagnostics, err := pcl.BindProgram(parser.Files, schema.NewCachedLoader(loader), options...)
	if err != nil || diagnostics.HasErrors() {
		return nil, diagnostics, err
	}
	if program == nil {
		return nil, nil, errors.New("the program is empty")
	}
	files, more, err := python.GenerateProgram(program)
	return files, append(diagnostics, more...), err
}
