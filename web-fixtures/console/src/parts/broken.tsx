// What is shown where a part of the page has a fault, so that the rest goes on.

import { Alert, Button, Text } from "@mantine/core";
import { Component, type ReactNode } from "react";

interface Props {
  /** Where the page is: another place is tried anew. */
  place: string;
  children: ReactNode;
}

export class Broken extends Component<Props, { error?: Error; place: string }> {
  override state: { error?: Error; place: string } = { place: this.props.place };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  static getDerivedStateFromProps({ place }: Props, state: { place: string }) {
    return state.place === place ? null : { place, error: undefined };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Alert color="red" title="This part of the page broke">
        <Text size="sm">{error.message}</Text>
        <Button mt="sm" size="xs" onClick={() => window.location.reload()}>
          Load the page again
        </Button>
      </Alert>
    );
  }
}
