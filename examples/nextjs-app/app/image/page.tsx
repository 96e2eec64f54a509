import Image from 'next/image';

/** The picture is resized by the image optimization function. */
export default function ImagePage() {
  return (
    <>
      <h1>next/image</h1>
      <Image src="/images/hills.png" alt="Green hills below a morning sky" width={640} height={360} priority />
    </>
  );
}
