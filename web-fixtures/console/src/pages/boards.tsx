import { BoardPage } from "./boards/board-page.tsx";
import { BoardList } from "./boards/board-list.tsx";

export default function Boards({ id }: { id?: string | undefined }) {
  return id ? <BoardPage id={id} key={id} /> : <BoardList />;
}
