/** Prerendered when the app is built. */
export default function Home() {
  return (
    <>
      <h1>Hello from OpenNext</h1>
      <p>This page was rendered when the app was built.</p>
    </>
  );
}
