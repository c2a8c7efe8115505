// A dialog whose cross has a name.

import { Modal, type ModalProps } from "@mantine/core";

export function Dialog(props: ModalProps) {
  return <Modal centered closeButtonProps={{ "aria-label": "Close" }} {...props} />;
}
