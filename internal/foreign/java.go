//go:build unix

package foreign

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Jars downloads what the programs of a folder with a pom.xml run with. It returns
// the folder of the local Maven repository and the value of CLASSPATH. For say and
// errors see [Packages.Folder].
func Jars(ctx context.Context, from string, say func(format string, args ...any)) (repository, classpath string, err error) {
	pom := filepath.Join(from, "pom.xml")
	dir, err := Packages{
		Lock: pom, Tools: []string{"java", "javac", "mvn"}, Hint: "a JDK, 17 or later, and Maven",
		Install: func(ctx context.Context, dir string) []*exec.Cmd {
			return []*exec.Cmd{exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "--file", pom,
				"-Dmaven.repo.local="+filepath.Join(dir, "repository"),
				"dependency:build-classpath", "-Dmdep.outputFile="+filepath.Join(dir, "classpath"))}
		},
	}.Folder(ctx, say)
	if err != nil {
		return "", "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, "classpath"))
	if err != nil {
		return "", "", fmt.Errorf("reading the classpath: %w", err)
	}
	return filepath.Join(dir, "repository"), string(text), nil
}
