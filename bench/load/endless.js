const DATA = Buffer.alloc(65_536, 'steadyport ');

/** Writes as fast as the socket takes it, until the socket is closed or `isOver`. */
export const writeEndlessly = (socket, isOver = () => false) => {
  const fill = () => {
    while (!isOver() && socket.writable && socket.write(DATA));
  };
  socket.on('drain', fill);
  fill();
};
