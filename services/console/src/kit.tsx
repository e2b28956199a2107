/**
 * How Mantine is set up here, and which of its style sheets are shipped.
 *
 * The page is served under a Content-Security-Policy without inline styles, so Mantine's run-time style tags are off:
 * its variables come from the built style sheet, ours override them in console.css, and nothing here may use
 * responsive style props or components that lock scrolling by a style tag.
 */
import { MantineProvider, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import "@mantine/core/styles/baseline.css";
import "@mantine/core/styles/default-css-variables.css";
import "@mantine/core/styles/global.css";
import "@mantine/core/styles/UnstyledButton.css";
import "@mantine/core/styles/ActionIcon.css";
import "@mantine/core/styles/Button.css";
import "@mantine/core/styles/Input.css";
import "@mantine/core/styles/InlineInput.css";
import "@mantine/core/styles/Loader.css";
import "@mantine/core/styles/SegmentedControl.css";
import "@mantine/core/styles/FloatingIndicator.css";
import "@mantine/core/styles/Switch.css";
import type { ReactNode } from "react";

const theme = {
  defaultRadius: "sm",
  cursorType: "pointer",
  fontFamily: "var(--face)",
  fontFamilyMonospace: "var(--face-code)",
  respectReducedMotion: true,
} as const;

export function Kit({ children }: { readonly children: ReactNode }) {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      {children}
    </MantineProvider>
  );
}

/** @returns the scheme that is shown and how to turn to the other one. */
export function useScheme(): { readonly scheme: "light" | "dark"; readonly turn: () => void } {
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const scheme = useComputedColorScheme("light");
  return { scheme, turn: () => setColorScheme(scheme === "dark" ? "light" : "dark") };
}
