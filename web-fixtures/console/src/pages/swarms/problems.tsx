// What the daemon finds wrong with a definition: where, and why.

import { Alert, Anchor, Text } from "@mantine/core";
import type { Problem } from "./types.ts";

export function Problems({ problems, goTo }: { problems: readonly Problem[]; goTo?: (line: number) => void }) {
  if (problems.length === 0) return null;
  return (
    <Alert color="red" role="alert" title={problems.length === 1 ? "Something is wrong" : `${problems.length} things are wrong`}>
      <ul style={{ margin: 0, paddingInlineStart: 18 }}>
        {problems.map(({ line, field, message }, at) => (
          <li key={at}>
            <Text size="sm" span>
              {line !== null && goTo && (
                <Anchor component="button" type="button" size="sm" c="inherit" underline="always" onClick={() => goTo(line)}>
                  line {line}
                </Anchor>
              )}
              {line !== null && !goTo && `line ${line}`}
              {line !== null && ": "}
              {field && (
                <>
                  <code>{field}</code>:{" "}
                </>
              )}
              {message}
            </Text>
          </li>
        ))}
      </ul>
    </Alert>
  );
}
