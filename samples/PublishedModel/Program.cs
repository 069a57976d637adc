using System.CommandLine;
using LmKit;
using LmKit.FolderChat;

return await FolderChatCommand.InvokeAsync(args, Console.In, Console.Out, Console.Error);
